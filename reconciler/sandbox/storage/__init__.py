"""What Cloud Storage is made of: buckets, objects, contents, access lists, and its XML API."""
