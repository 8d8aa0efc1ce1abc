"""Reports for GitHub Actions: annotations, the step summary, workflow commands."""
