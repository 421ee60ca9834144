"""The journal: the durable store, and its readers."""
