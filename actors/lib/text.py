"""Foreign text without control sequences and invisible characters."""

import re

BREAKS = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero-width, bidi, invisible
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tags, lone surrogates
)

_IN_JSON = re.compile(HIDDEN.pattern.removesuffix("]") + "\u2028\u2029]")


def escape_json(data: bytes) -> bytes:
    """Return JSON in which all that ``clean`` removes or replaces is escaped, so that a terminal can show the file.

    Nothing is lost: who reads it as JSON gets the very same values.
    """
    if data.isascii() and b"\x7f" not in data:
        return data  # writers of JSON escape the other control characters themselves
    return _IN_JSON.sub(_escaped, data.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    code = found[0].encode("utf-16-be")
    return "".join(f"\\u{code[at : at + 2].hex()}" for at in range(0, len(code), 2))


VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+")


def skeleton(text: str) -> str:
    """Return the text without its quotations and numbers, so that messages of one kind are equal."""
    return VARIABLE.sub("…", text)


def clean(text: str) -> str:
    """Return the text with newlines as line ends, and without control, bidi and invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    return HIDDEN.sub("", BREAKS.sub("\n", text))
