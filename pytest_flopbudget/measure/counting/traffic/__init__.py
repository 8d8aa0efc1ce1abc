"""Traffic: the bytes that the operators of a call read and write, as `docs/traffic.md` has them."""
