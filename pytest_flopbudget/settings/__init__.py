"""Settings: what a user asked for, parsed and checked, as frozen records."""
