"""What Cloud Monitoring measures: metrics, the filters that choose them, what is measured here, and uptime checks."""
