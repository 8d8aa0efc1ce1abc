"""Measuring: what is counted, where it is booked, how it is timed, and that nothing is left."""
