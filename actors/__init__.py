"""The coordinator: task events in over a WebSocket, contexts out into Claude sessions."""
