"""The tables of the graph: nodes and edges."""

from collections.abc import Iterable

import orjson

from actors.graph.node import Node, Status, from_document, to_document
from actors.journal.batching import Table
from actors.journal.conditions import BEGINS, CANDIDATES, NODE_OPEN


class Nodes(Table):
    """The graph's nodes and edges."""

    def save(self, nodes: Iterable[Node], edges: Iterable[tuple[str, str, bool]]) -> None:
        """Write nodes and changed edges (upstream, dependent, True if it exists now)."""
        for node in nodes:
            self._execute(
                "INSERT OR REPLACE INTO nodes VALUES (?,?,?)",
                (node.id, node.status.value, orjson.dumps(to_document(node))),
            )
        for upstream, dependent, there in edges:
            if there:
                self._execute("INSERT OR IGNORE INTO edges VALUES (?,?)", (upstream, dependent))
            else:
                self._execute("DELETE FROM edges WHERE upstream = ? AND dependent = ?", (upstream, dependent))

    def find(self, node_id: str) -> Node | None:
        """Return the node with this id and its dependents, or None."""
        row = self._execute("SELECT status, document FROM nodes WHERE id = ?", (node_id,)).fetchone()
        if row is None:
            return None
        node = from_document(node_id, row[0], orjson.loads(row[1]))
        node.dependents = {
            dependent
            for (dependent,) in self._execute("SELECT dependent FROM edges WHERE upstream = ?", (node_id,))
        }
        return node

    def beginning_with(self, beginning: str) -> list[str]:
        """Return the ids that begin with this, at most ``CANDIDATES``."""
        statement = f"SELECT id FROM nodes WHERE {BEGINS} ORDER BY id LIMIT {CANDIDATES}"  # noqa: S608 - our own words
        return [node_id for (node_id,) in self._execute(statement, (beginning,))]

    def load_open(self) -> list[Node]:
        """Return all open nodes, with their pending and broken upstreams and their dependents."""
        rows = self._execute(
            f"SELECT id, status, document FROM nodes WHERE {NODE_OPEN}"  # noqa: S608 - our own words
        )
        nodes = {row[0]: from_document(row[0], row[1], orjson.loads(row[2])) for row in rows}
        for node in list(nodes.values()):
            for upstream_id in node.upstreams or ():
                self._link(node, upstream_id, nodes)
        return list(nodes.values())

    def _link(self, node: Node, upstream_id: str, nodes: dict[str, Node]) -> None:
        row = None
        if upstream_id not in nodes:
            row = self._execute("SELECT status FROM nodes WHERE id = ?", (upstream_id,)).fetchone()
        if row is None:  # open, or lost with a damaged journal: then it counts as unknown
            nodes.setdefault(upstream_id, Node(upstream_id)).dependents.add(node.id)
            node.pending.add(upstream_id)
        elif row[0] != Status.COMPLETED.value:
            node.pending.add(upstream_id)
            node.broken[upstream_id] = Status(row[0])
