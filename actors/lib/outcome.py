"""The JSON in which an agent states how its work ended, in a file or as its last answer."""

from typing import NamedTuple

from actors.lib.lenient_json import Fields, quoted

_DONE = frozenset({"success", "successful", "succeeded", "completed", "complete", "done", "ok"})
_NOT_DONE = frozenset({"failed", "failure", "error", "blocked", "cancelled"})


class Outcome(NamedTuple):
    """The end of a piece of work.

    Attributes:
        summary: A short account of it.
        insights: What others should know.
        files: The files that were changed.
        reason: The reason why it isn't done; None where it is.
    """

    summary: str = ""
    insights: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    reason: str | None = None


def read_outcome(fields: Fields) -> Outcome | None:
    """Read an outcome; None, with a problem noted, if the status is unknown. Without a status it is a success."""
    status = (fields.text("status") or "success").strip().lower()
    summary = fields.text("completion_summary", "summary") or ""
    if status in _DONE:
        return Outcome(
            summary,
            fields.texts("insights_found", "insights") or (),
            fields.texts("files_modified", "files") or (),
        )
    if status in _NOT_DONE:
        reason = fields.text("reason", "error", "message") or summary or f"the result says {status}"
        return Outcome(reason=reason)
    fields.problem(f"unknown status {quoted(fields.text('status'))}")
    return None
