"""Tests of what lies in the work directory."""
