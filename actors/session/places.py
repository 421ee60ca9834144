"""The files that a delivery refers to: its whole context, and the result file of its subtask.

The router knows no paths, since the agent may live elsewhere: it leaves two tokens in the text, and the session
replaces them. Only the coordinator's own lines are changed; text of others is quoted, and stays as it was written.
"""

from pathlib import Path

from actors.lib.failpoints import failpoint
from actors.lib.files import ensure_directory, write_atomically
from actors.protocol.deliveries import CONTEXT_FILE, RESULT_FILE, Delivery
from actors.protocol.node_ids import file_name

QUOTE = "> "
"""The beginning of each line that was written by others."""


class Places:
    """Fills in the paths of a delivery, and writes the file with its whole context.

    Args:
        readable: The directory that the agent may read: whole contexts lie there, as ``<delivery id>.md``.
        results: The result files, as a path with a ``*`` in place of a subtask's id (see ``file_name``).
    """

    def __init__(self, readable: Path, results: Path) -> None:
        self._readable = readable
        self._results = results

    def settle(self, delivery: Delivery) -> Delivery:
        """Write the whole context durably, if there is one, and fill in the paths.

        A delivery that is settled again gets the same paths, and the file is replaced.

        Returns:
            The delivery with the text that Claude reads, and without the document.

        Raises:
            OSError: The file can't be written.
        """
        if not delivery.document and CONTEXT_FILE not in delivery.text and RESULT_FILE not in delivery.text:
            return delivery
        paths = {CONTEXT_FILE: str(self._readable / f"{delivery.id}.md")}
        if delivery.subtask_id is not None:
            name = self._results.name.replace("*", file_name(delivery.subtask_id))
            paths[RESULT_FILE] = str(self._results.with_name(name))
        if delivery.document:
            ensure_directory(self._readable)  # a cleaner of old files may have removed it
            failpoint("session.context.before")
            write_atomically(
                Path(paths[CONTEXT_FILE]), _filled(delivery.document, paths).encode(), durable=True
            )
            failpoint("session.context.after")
        changed = {"text": _filled(delivery.text, paths), "document": ""}
        return delivery.model_copy(update=changed)


def _filled(text: str, paths: dict[str, str]) -> str:
    """Return the text with the tokens replaced by these paths, except in quotations."""
    if not any(token in text for token in paths):
        return text
    return "\n".join(line if line.startswith(QUOTE) else _line(line, paths) for line in text.split("\n"))


def _line(line: str, paths: dict[str, str]) -> str:
    for token, path in paths.items():
        line = line.replace(token, path)
    return line
