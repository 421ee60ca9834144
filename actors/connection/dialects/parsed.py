"""What one message of the backend turned out to be: an event, a control message, or neither."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from actors.lib.lenient_json import quoted
from actors.protocol.events import Event


class Control(BaseModel):
    """A message about the connection itself; keys that are unknown here are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Welcome(Control):
    """The backend's first words.

    Attributes:
        instance: The identity of its database.
        last_seq: The number of its newest event.
        acks: Whether it acknowledges what is published.
    """

    type: Literal["welcome"]
    server: str | None = None
    instance: str | None = None
    last_seq: int | None = None
    acks: bool = False


class Subscribed(Control):
    """The events after ``since`` follow.

    Attributes:
        live: False where the backend will say when it has sent all that was missed (``Live``).
    """

    type: Literal["subscribed"]
    since: int | None = None
    last_seq: int | None = None
    live: bool = True


class Live(Control):
    """All that was missed has been sent; what comes now has just happened."""

    type: Literal["live"]
    seq: int | None = None


class Ack(Control):
    """A publication was taken; ``id`` is its key."""

    type: Literal["ack"]
    id: str
    seq: int | None = None


class Nack(Control):
    """A publication was not taken; ``id`` is its key."""

    type: Literal["nack"]
    id: str
    code: str = "refused"
    error: str = ""


class Pong(Control):
    """The answer to a ping."""

    type: Literal["pong"]


AnyControl = Welcome | Subscribed | Live | Ack | Nack | Pong

_ADAPTER: TypeAdapter[AnyControl] = TypeAdapter(Annotated[AnyControl, Field(discriminator="type")])


class Parsed(NamedTuple):
    """One message, read.

    Attributes:
        event: The fact that it tells.
        control: What it says about the connection.
        problems: What could not be used, each in a bounded line of plain words. With neither an event nor a
            control message the whole of it was rejected.
    """

    event: Event | None = None
    control: AnyControl | None = None
    problems: tuple[str, ...] = ()


def rejected(reason: str) -> Parsed:
    """Nothing of the message can be used."""
    return Parsed(problems=(reason,))


def read_control(message: dict[str, Any]) -> Parsed:
    """Read a message that has a ``type`` and is no event."""
    kind = message["type"]
    if kind == "error":
        return rejected(f"the backend reports an error: {quoted(message.get('error'))}")
    if kind not in ("welcome", "subscribed", "live", "ack", "nack", "pong"):
        return rejected(f"unknown message type {quoted(kind)}")
    try:
        return Parsed(control=_ADAPTER.validate_python(message))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        return rejected(f"{kind}: {first['loc'][-1]}: {first['msg']}")
