"""The journal: the durable store, and those who read it."""
