"""VPC networks: what there is in them, and the ways into them."""
