"""Foreign text without control sequences and invisible characters."""

import re

BREAKS = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f"  # control characters, but for tab and newline
    "\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # zero-width, bidi, invisible
    "\U000e0000-\U000e007f\ud800-\udfff]"  # tags, lone surrogates
)

VARIABLE = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\d+")


def skeleton(text: str) -> str:
    """Return the text without its quotations and numbers, so that messages of one kind are equal."""
    return VARIABLE.sub("…", text)


def clean(text: str) -> str:
    """Return the text with newlines as line ends, and without control, bidi and invisible characters."""
    if text.isascii() and text.isprintable():
        return text
    return HIDDEN.sub("", BREAKS.sub("\n", text))
