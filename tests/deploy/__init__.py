"""What is deployed: files for platforms that are not ours."""
