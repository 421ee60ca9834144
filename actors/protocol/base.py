"""The base model of messages, and the types of names and texts in them."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

AGENT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

AgentName = Annotated[str, StringConstraints(pattern=AGENT_PATTERN)]
"""An agent's name. It becomes part of file names, so it can't contain a separator or begin with a dot."""

_AGENT = re.compile(AGENT_PATTERN)


def is_agent_name(text: str) -> bool:
    """Return whether the text is a valid agent name."""
    return _AGENT.fullmatch(text) is not None


def _whole(text: str) -> str:
    """Replace lone surrogates, which JSON can express and UTF-8 can't, by question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


Text = Annotated[str, AfterValidator(_whole)]
"""Text from elsewhere: any characters that UTF-8 can encode."""


class Model(BaseModel):
    """The base of all messages: frozen, without unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)
