"""The rules for every text that an agent reads, whatever input it contains."""

import re
import unicodedata

from actors.protocol.deliveries import Delivery
from actors.router.context import header, opening

HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, formats, surrogates, and separators of lines and paragraphs."""
FORMATS = "[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001d17a]"
"""Format characters of languages, shorthand and music, which hide nothing."""
_ODD = re.compile(r"[^\n\t -~]")
_HARMLESS = re.compile(FORMATS)
_OURS = re.compile(
    r"(?:Your|Result of) (?:task|subtask) [\w.:@#%-]{1,200}:|From [A-Za-z0-9._-]{1,64}:|Your subtask:"
    r"|Subtask [\w.:@#%-]{1,200}:|When it is done, call .*|If you lack these tools, write .*"
    r"|It is shortened here\. .*|",
)


class BrokenError(Exception):
    """A rule is broken."""


def check_delivery(delivery: Delivery) -> None:
    """Check that no text in a context imitates the coordinator's own.

    Raises:
        BrokenError: It does, or it contains control characters.
    """
    first, *lines = check_text(delivery.text).split("\n")
    if first != header(delivery.id, delivery.kind, delivery.subtask_id):
        raise BrokenError(f"the first line is not the header: {first!r}")
    if not lines or lines[0] != opening(delivery.kind):
        raise BrokenError("the second line is not the opening")
    for line in lines[1:]:
        if not line.startswith("> ") and not _OURS.fullmatch(line):
            raise BrokenError(f"a line that is neither quoted nor ours: {line[:200]!r}")


def check_text(text: str) -> str:
    """Return the text if it has no hidden characters, and no line but the first imitates a header.

    Raises:
        BrokenError: It does.
    """
    for odd in set(_ODD.findall(text)):
        if unicodedata.category(odd) in HIDDEN and not _HARMLESS.match(odd):
            raise BrokenError(f"it holds the character U+{ord(odd):04X}")
    if "\n[coordinator" in text:
        raise BrokenError("a line behind the first begins as a header does")
    return text
