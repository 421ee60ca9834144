"""Ids of tasks and subtasks: which are valid, how else they may be written, and how they stand in file names.

The session that names a file after an id, and the work directory that reads it, agree on this.
"""

import re
from typing import Annotated
from urllib.parse import quote, unquote

from pydantic import AfterValidator

LONGEST = 200
"""The most bytes of an id as ``file_name`` writes it, which leaves room for what stands around it."""
_PLAIN = re.compile(r"[A-Za-z0-9._:@#-]*")
"""Texts that are their own file names; of the others, letters and digits of any script stay as they are too."""
_UUID = re.compile(r"(urn:uuid:)?([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})", re.IGNORECASE)


def is_node_id(text: str) -> bool:
    """Return whether the text is a valid id of a task or subtask: printable, and without blanks around it."""
    return text.isprintable() and text == text.strip() and 0 < len(file_name(text).encode()) <= LONGEST


def _checked(text: str) -> str:
    if not is_node_id(text):
        raise ValueError(f"must be printable, without blanks around it, and at most {LONGEST} bytes long")
    return text


NodeId = Annotated[str, AfterValidator(_checked)]
"""The id of a task or subtask, in the backend's words."""


def file_name(node_id: str) -> str:
    """Return the id as a part of a file name: readable, without separators and blanks, and unlike any other's.

    Lines of ours that an agent reads have it in this form too, so that no id can say anything there.

    Example:
        >>> file_name("proj/12"), file_name("aufgabe-ä")
        ('proj%2F12', 'aufgabe-ä')
    """
    if _PLAIN.fullmatch(node_id):
        return node_id
    return "".join(
        each if each.isalnum() or _PLAIN.fullmatch(each) else quote(each, safe="", errors="replace")
        for each in node_id
    )


def from_file_name(name: str) -> str:
    """Return the id that ``file_name`` was given."""
    return unquote(name)


def spellings(node_id: str) -> tuple[str, ...]:
    """Return the ids that may be meant by one that is written like this, the likeliest first.

    The same UUID in another case is the same id, and an agent may write an id as it stands in a file name.

    Example:
        >>> spellings("proj%2F12")
        ('proj%2F12', 'proj/12')
    """
    if found := _UUID.fullmatch(node_id):
        prefix = (found[1] or "").lower()
        small, capital = prefix + found[2].lower(), prefix + found[2].upper()
        return (capital, small) if node_id == capital else (small, capital)
    return (node_id, from_file_name(node_id)) if "%" in node_id else (node_id,)
