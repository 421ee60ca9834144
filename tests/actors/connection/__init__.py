"""Tests of the connection to the backend."""
