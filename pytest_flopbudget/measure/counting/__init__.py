"""Counting: the exact FLOPs of one call, operator by operator."""
