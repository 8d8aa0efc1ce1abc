"""The turns that processes of one user take on one machine, so that each times its model alone."""
