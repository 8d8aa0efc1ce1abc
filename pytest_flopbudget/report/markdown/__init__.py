"""The Markdown report for a pull request."""
