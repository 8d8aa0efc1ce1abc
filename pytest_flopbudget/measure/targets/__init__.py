"""What is profiled other than a module, and what to say of calls that are no call of it."""
