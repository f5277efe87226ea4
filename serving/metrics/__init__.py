"""What is measured, kept in memory that all workers share, and told in Prometheus' formats and as JSON."""
