"""Shared parts of the tools: the double of the Messages API, the real claude."""
