"""Budgets that are declared in a TOML file: their collection, and their items."""
