"""Backends: the ways to run a model for counting, on meta tensors, on fake tensors, for real."""
