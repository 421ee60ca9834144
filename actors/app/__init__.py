"""The process: the tree of actors, settings, logging, signals."""
