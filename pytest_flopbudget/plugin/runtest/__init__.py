"""The protocol by which pytest runs one test: what its phases begin with, and what they show."""
