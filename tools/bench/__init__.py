"""The parts of ``scripts/bench``: each process of a measurement is a module of its own."""
