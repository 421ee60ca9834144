"""The dialects that backends speak."""
