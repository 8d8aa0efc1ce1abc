"""The history of budgets: a table for the terminal, a page, and JSON."""
