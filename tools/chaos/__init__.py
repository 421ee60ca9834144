"""Kills parts of the running product at random, and compares what its agents received with what they should have."""
