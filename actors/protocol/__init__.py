"""The words that all parts share: messages, events, deliveries. No behaviour."""
