"""More than can be handled at once: what waits where, and what it costs."""
