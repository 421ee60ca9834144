"""Reproducible randomness."""

import random


def dice(seed: str, what: str) -> random.Random:
    """Return a random generator for one part, so that parts don't influence each other's random numbers."""
    return random.Random(f"{seed}-{what}")  # noqa: S311 - dice
