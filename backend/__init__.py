"""The embedded task backend: tasks and subtasks over REST and MCP, their events over a WebSocket.

Run it with `python -m backend`. Three interfaces (`rest`, `socket`, `mcp`) share one service, which enforces
the rules. A change and its events commit in one transaction. `backend.workflow` creates a workflow from a plan.
"""

from backend.errors import BackendError

__all__ = ["BackendError"]
