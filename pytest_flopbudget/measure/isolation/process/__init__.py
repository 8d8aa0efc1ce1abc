"""What this process does beside the model: tracers, profilers, and what forward writes."""
