"""Memory: the peak of the bytes that one call allocates."""
