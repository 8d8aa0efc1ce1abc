"""Measuring: the only part that imports torch. A model and its inputs to a profile."""
