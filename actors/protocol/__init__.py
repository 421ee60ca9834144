"""The vocabulary that all parts share: messages, events and deliveries, without behaviour."""
