"""The embedded task backend: tasks and subtasks over REST and MCP, their events over a WebSocket.

It runs by itself (`python -m backend`). The three doors (`rest`, `socket`, `mcp`) stand before one service,
which keeps the rules; a change and the events that tell of it are one transaction. `backend.workflow` creates
a workflow from a plan.
"""

from backend.errors import BackendError

__all__ = ["BackendError"]
