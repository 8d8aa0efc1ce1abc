"""Reports, line by line."""
