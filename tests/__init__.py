"""The tests. The folders mirror the packages."""
