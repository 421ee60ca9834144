"""Tests of the task backend."""
