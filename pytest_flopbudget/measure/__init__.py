"""Measuring: a model and its inputs in, their profile out; only in here is torch imported."""
