"""The scripted stand-in for `claude`: the same stream protocol, the same hazards, and no model behind it."""
