"""Models that are declared without code: where they come from, and their inputs."""
