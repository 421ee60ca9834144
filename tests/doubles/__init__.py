"""Doubles of what the product talks to."""
