"""Commands that are no test run and need more than one step."""
