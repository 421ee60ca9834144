"""Tests under more load than the coordinator can handle at once, with a check of its queues and its memory."""
