"""The parts of ``scripts/bench``. Each process of a measurement is a module of its own."""
