"""What was found: the server's own figures, results, tables and plots."""
