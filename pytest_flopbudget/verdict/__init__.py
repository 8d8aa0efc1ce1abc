"""Verdicts: pure functions that judge a profile against a baseline."""
