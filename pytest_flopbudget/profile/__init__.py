"""Profiles: what one call of a model costs, as frozen records, and their per-layer table."""
