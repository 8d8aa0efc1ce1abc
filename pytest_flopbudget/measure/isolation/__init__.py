"""Isolation: what a measurement may change of the model and of the process is put back."""
