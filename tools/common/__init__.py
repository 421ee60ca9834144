"""Shared parts of the tools: the double of the Messages API, the tiny claude, and helpers for processes."""
