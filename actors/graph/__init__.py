"""The dependency graph: pure, without files, clocks or threads."""
