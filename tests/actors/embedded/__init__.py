"""The embedded backend, as the coordinator runs it."""
