"""Helpers that don't depend on the product."""
