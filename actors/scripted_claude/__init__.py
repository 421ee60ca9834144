"""A scripted stand-in for `claude`: the same stream protocol and the same hazards, without a model."""
