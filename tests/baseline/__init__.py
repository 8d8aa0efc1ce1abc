"""Baseline files: written, read, updated."""
