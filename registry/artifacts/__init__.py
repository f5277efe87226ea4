"""An address of an artifact, opened: over HTTP, from S3, or from a folder. It reads bytes, and knows no model."""
