"""The ways to drive an agent's program."""
