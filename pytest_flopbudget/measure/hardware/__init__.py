"""The machine: devices, processor, cores, and the name of the environment they make."""
