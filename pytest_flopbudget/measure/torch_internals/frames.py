"""Frames of torch in tracebacks; nothing in here imports torch."""

# The module whose frame calls an operator that a mode runs: it says nothing about the model.
OPERATOR_CALLS = "torch._ops"
