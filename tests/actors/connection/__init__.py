"""Tests of the way to the backend."""
