"""Chaos: kills parts of the running product at random, and checks that every agent received what it should."""
