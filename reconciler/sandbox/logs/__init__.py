"""What Cloud Logging is made of: entries, and the language that asks for them."""
