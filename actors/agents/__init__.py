"""Agents: their prompts, and the front matter of those."""
