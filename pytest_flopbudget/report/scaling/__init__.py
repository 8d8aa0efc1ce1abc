"""Budgets over sizes: how a model grows, in words and as a curve."""
