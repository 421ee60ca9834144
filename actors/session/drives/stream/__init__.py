"""The stream drive: ``claude -p`` with stream-json."""
