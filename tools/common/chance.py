"""Chance that can be repeated."""

import random


def dice(seed: str, what: str) -> random.Random:
    """Make dice of their own for each part, so that none depends on how often another one rolls."""
    return random.Random(f"{seed}-{what}")  # noqa: S311 - dice
