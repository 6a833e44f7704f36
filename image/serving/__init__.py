"""What runs in the container: the supervisor of the server's parts, and the migration of its database."""
