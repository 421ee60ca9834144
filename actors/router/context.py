"""Contexts, the messages that Claude reads: a header line, an instruction, and foreign text in quotations.

What must hold: no foreign text (titles, details, summaries, messages) can pose as the coordinator's. So each of its
lines begins with ``> ``, which no text can end. Within a quotation our labels (``Summary:``) stand on the first level
and their values one level deeper, so that no part can pose as another. Control bytes and invisible characters are
removed first.

Example:
    A message, as Claude reads it::

        [coordinator delivery=6b1f… kind=message]
        A message for you:

        From somebody:
        > Use UUIDs.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, assert_never

from actors.graph.node import Node
from actors.lib.text import clean
from actors.protocol.base import is_agent_name
from actors.protocol.deliveries import CONTEXT_FILE, RESULT_FILE, DeliveryKind
from actors.protocol.node_ids import file_name

QUOTE = "> "
LEAST_SHARE = 200
"""The fewest bytes that a block is cut to; if there are more blocks than that allows, the last are in the file only."""
CLOSING = (
    "When it is done, call the tool complete_subtask once, with a completion_summary that whoever comes next can"
    " build on. If you can't go on, call report_blocked with the reason."
)
WITHOUT_TOOLS = (
    f'If you lack these tools, write {RESULT_FILE} instead: {{"status": "success", "completion_summary": "…",'
    ' "insights_found": ["…"], "files_modified": ["…"]} (or "status": "blocked" with a "reason").'
)


def opening(kind: DeliveryKind) -> str:
    """Return the instruction that contexts of this kind begin with."""
    match kind:
        case DeliveryKind.TASK_READY:
            return "This subtask is yours. It waits for nothing: begin now."
        case DeliveryKind.DEPENDENCY_COMPLETED:
            return "This subtask is yours. Everything that it depends on is done, with the results below: begin now."
        case DeliveryKind.UPSTREAM_COMPLETED:
            return "Something that your subtask depends on is done; take its result into account."
        case DeliveryKind.SUBTASK_UPDATED:
            return "Your subtask was changed. This is its present state:"
        case DeliveryKind.SUBTASK_CLOSED:
            return "Leave this subtask as it is; don't work on it any further and don't report it:"
        case DeliveryKind.MESSAGE:
            return "A message for you:"
        case DeliveryKind.REMINDER:
            return (
                "Your turn ended, and this subtask is neither completed nor blocked. If it is done, call"
                " complete_subtask with what came of it; if you can't go on, call report_blocked with the reason;"
                " else go on with it."
            )
        case _:
            assert_never(kind)


OPENINGS = {kind: opening(kind) for kind in DeliveryKind}


def quote(text: str) -> str:
    """Quote the text: each line begins with ``> ``."""
    cleaned = clean(text)
    return QUOTE + (cleaned if "\n" not in cleaned else cleaned.replace("\n", "\n" + QUOTE))


def quoted_text(context: str) -> str:
    """Return the foreign text in a context, without its marks."""
    return "\n".join(
        line.removeprefix(QUOTE).removeprefix(QUOTE) for line in context.split("\n") if line.startswith(QUOTE)
    )


def header(delivery_id: str, kind: DeliveryKind, subtask_id: str | None) -> str:
    """Return the first line of a context."""
    subtask = f" subtask={file_name(subtask_id)}" if subtask_id else ""
    return f"[coordinator delivery={delivery_id} kind={kind.value}{subtask}]"


class Composed(NamedTuple):
    """A composed context.

    Attributes:
        text: The message that Claude reads. ``CONTEXT_FILE`` and ``RESULT_FILE`` stand for paths on the agent's
            machine, which the session fills in.
        document: The whole context if the text is a shortened one, else empty.
    """

    text: str
    document: str = ""


class ContextBuilder:
    """A composer of contexts.

    Args:
        limit: The longest text, in bytes. A longer context is shortened, and the delivery has the whole one too.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def assignment(
        self,
        delivery_id: str,
        kind: DeliveryKind,
        node: Node,
        parent: Node | None,
        upstreams: Sequence[Node],
        words: Sequence[str] = (),
    ) -> Composed:
        """Compose the assignment of a subtask.

        Args:
            delivery_id: The delivery.
            kind: Its kind.
            node: The subtask.
            parent: The task that it is part of.
            upstreams: Those whose results belong to it.
            words: Messages that the agent got about it in an earlier conversation.
        """
        blocks = [_task(node, parent), *(_result(upstream) for upstream in upstreams)]
        blocks += [
            ("A message that you got before, in an earlier conversation:", _said(text)) for text in words
        ]
        closing = f"{CLOSING}\n{WITHOUT_TOOLS}"
        return self._compose(delivery_id, kind, node.id, blocks, closing)

    def update(self, delivery_id: str, node: Node, fields: Iterable[str]) -> Composed:
        """Compose the changes of a subtask that an agent has in hand."""
        return self._compose(delivery_id, DeliveryKind.SUBTASK_UPDATED, node.id, [_changes(node, fields)])

    def upstream(self, delivery_id: str, node: Node, upstream: Node) -> Composed:
        """Compose the result of a dependency that was added while the agent had the subtask in hand."""
        return self._compose(delivery_id, DeliveryKind.UPSTREAM_COMPLETED, node.id, [_result(upstream)])

    def closed(self, delivery_id: str, node: Node, reason: str) -> Composed:
        """Compose the notice that a subtask is over for this agent."""
        block = (
            f"Subtask {file_name(node.id)}:",
            f"Title: {node.name}\nWhy: {reason}",
        )  # quoted, since the reason may contain names from the backend
        return self._compose(delivery_id, DeliveryKind.SUBTASK_CLOSED, node.id, [block])

    def message(self, delivery_id: str, subtask_id: str | None, sender: str | None, text: str) -> Composed:
        """Compose a message; a sender that isn't an agent's name is called somebody."""
        known = sender is not None and is_agent_name(sender)
        block = f"From {sender if known else 'somebody'}:", text
        return self._compose(delivery_id, DeliveryKind.MESSAGE, subtask_id, [block])

    def reminder(self, delivery_id: str, node: Node) -> Composed:
        """Compose a reminder to report."""
        return self._compose(delivery_id, DeliveryKind.REMINDER, node.id, [("Your subtask:", node.name)])

    def _compose(
        self,
        delivery_id: str,
        kind: DeliveryKind,
        subtask_id: str | None,
        blocks: Sequence["Block"],
        closing: str = "",
    ) -> Composed:
        head = f"{header(delivery_id, kind, subtask_id)}\n{OPENINGS[kind]}"
        whole = _join(head, blocks, closing)
        if len(whole) * 4 <= self._limit or len(whole.encode()) <= self._limit:
            return Composed(whole)
        pointer = f"It is shortened here. Read the whole of it first, in the file {CONTEXT_FILE}"
        return Composed(_join(f"{head}\n{pointer}", _shorten(blocks, self._limit), closing), whole)


def unwritten(_delivery_id: str) -> Composed:
    """Return an empty context, for an assignment: it is composed when it is handed over."""
    return Composed("")


Block = tuple[str, str]
"""An introduction of ours (one line), and foreign text to be quoted."""


def _join(head: str, blocks: Sequence[Block], closing: str) -> str:
    parts = [head, *(f"{intro}\n{quote(text)}" for intro, text in blocks), closing]
    return "\n\n".join(part for part in parts if part)


def _shorten(blocks: Sequence[Block], limit: int) -> list[Block]:
    """Cut each block to its fair share of the limit (bytes); what short ones don't use goes to the long ones."""
    most = max(1, limit // LEAST_SHARE)
    if len(blocks) > most:
        rest = f"And {len(blocks) - most} more, which stand in the file only.", ""
        return [*_shorten(blocks[:most], limit), rest]
    sizes = sorted(len(quote(text).encode()) for _, text in blocks)
    left, share = limit, 0
    for place, size in enumerate(sizes):
        share = left // (len(sizes) - place)
        if size > share:
            break
        left -= size
    return [(intro, _cut(text, share)) for intro, text in blocks]


def _cut(text: str, share: int) -> str:
    kept: list[str] = []
    for line in clean(text).split("\n"):
        size = len(line.encode()) + len(QUOTE) + 1
        if size > share:
            kept.append(line.encode()[: max(0, share - len(QUOTE) - 4)].decode(errors="ignore") + "…")
            break
        share -= size
        kept.append(line)
    return "\n".join(kept)


def one_line(text: str) -> str:
    """Put foreign text that follows a label of ours on one line, so that it can't begin a label itself."""
    return clean(text).replace("\n", " ")


def _task(node: Node, parent: Node | None) -> Block:
    lines = [f"Title: {one_line(node.name)}"]
    if parent is not None and parent.title:
        lines.append(f"Part of: {one_line(parent.title)}")
    if node.details:
        lines += ["Details:", quote(node.details)]
    return f"Your {node.entity} {file_name(node.id)}:", "\n".join(lines)


def _result(node: Node) -> Block:
    lines = [f"Title: {one_line(node.name)}", f"Completed by: {one_line(node.by or 'unknown')}", "Summary:"]
    lines.append(quote(node.summary or "(none was given)"))
    lines += _list("Insights:", node.insights) + _list("Files:", node.files)
    lines.append("Timeline: " + ", ".join(f"{what} {_clock(at)}" for what, at in node.times.items()))
    return f"Result of {node.entity} {file_name(node.id)}:", "\n".join(lines)


def _said(text: str) -> str:
    """Return the words of a composed message, without our header and instruction."""
    return text.partition("\n\n")[2] or text


def _changes(node: Node, fields: Iterable[str]) -> Block:
    lines = [f"Title: {one_line(node.name)}"]
    if "details" in fields:
        lines += ["Details:", quote(node.details or "(none)")]
    if "dependencies" in fields:
        lines.append(f"Depends on: {', '.join(node.upstreams or ()) or 'nothing'}")
        if node.pending:
            lines.append(f"Not done yet: {', '.join(sorted(node.pending))} (you will be told)")
    return f"Your {node.entity} {file_name(node.id)}:", "\n".join(lines)


def _list(title: str, items: Iterable[str]) -> list[str]:
    lines = [quote(f"- {item}") for item in items]
    return [title, *lines] if lines else []


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
