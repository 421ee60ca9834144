"""The versions of Claude Code that this product is tested with."""

TESTED = "2.1.332"
"""The version that the tests run with; ``scripts/claude-cli/package.json`` pins it."""


def is_tested(version: str) -> bool:
    """Return whether this version is the tested one; a stand-in's version is followed by a description."""
    return version.partition(" ")[0] == TESTED
