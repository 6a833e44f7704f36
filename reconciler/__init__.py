"""One YAML spec, one MLflow tracking server on Google Cloud."""
