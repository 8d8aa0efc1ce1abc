"""The HTML report: one page with all data in it."""
