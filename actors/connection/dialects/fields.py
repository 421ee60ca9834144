"""The fields of an event: ids and agents' names, checked."""

from actors.lib.lenient_json import Fields
from actors.protocol.base import is_agent_name, is_node_id

_NO_ID, _NO_AGENT = "no valid id", "no valid agent name"


class EventFields(Fields):
    """The fields of one JSON object that holds an event."""

    def node(self, *names: str) -> str | None:
        """Read the id of a task or subtask."""
        return self.checked(names, is_node_id, _NO_ID)

    def agent(self, *names: str) -> str | None:
        """Read an agent's name, without the ``@`` that it may begin with."""
        return self.checked(names, is_agent_name, _NO_AGENT, strip="@")

    def nodes(self, *names: str) -> tuple[str, ...] | None:
        """Read several ids, each once; invalid ones are dropped, and named as problems."""
        return self.all_checked(names, is_node_id, _NO_ID)

    def agents(self, *names: str) -> tuple[str, ...] | None:
        """Read several agents' names, each once; invalid ones are dropped, and named as problems."""
        return self.all_checked(names, is_agent_name, _NO_AGENT, strip="@")
