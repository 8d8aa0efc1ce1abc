"""Timing: the latency of one call, and the time of each layer in it."""
