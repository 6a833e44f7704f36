"""What Secret Manager is made of: names, settings, versions."""
