"""Tests of the work directory."""
