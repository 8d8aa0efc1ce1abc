"""Baselines: stored profiles, one YAML file per budget."""
