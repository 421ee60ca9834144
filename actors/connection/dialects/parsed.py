"""The result of reading one message of the backend: an event, a control message, or neither."""

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from actors.lib.lenient_json import quoted
from actors.protocol.events import Event


class Control(BaseModel):
    """A message about the connection itself; unknown keys are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Welcome(Control):
    """The backend's first message, which introduces it.

    Attributes:
        instance: The identity of its database.
        last_seq: The number of its newest event.
        acks: True where it acknowledges publications.
    """

    type: Literal["welcome"]
    server: str | None = None
    instance: str | None = None
    last_seq: int | None = None
    acks: bool = False


class Subscribed(Control):
    """The answer to a subscription: the events after ``since`` follow.

    Attributes:
        live: False where ``Live`` will follow once all missed events were sent.
    """

    type: Literal["subscribed"]
    since: int | None = None
    last_seq: int | None = None
    live: bool = True


class Live(Control):
    """The end of the replay: all missed events were sent, and the next ones are new."""

    type: Literal["live"]
    seq: int | None = None


class Ack(Control):
    """A publication was accepted; ``id`` is its key."""

    type: Literal["ack"]
    id: str
    seq: int | None = None


class Nack(Control):
    """A publication was refused; ``id`` is its key."""

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
        event: The event that it holds.
        control: The control message that it is.
        problems: The parts that can't be used, each in a bounded line of plain words. With neither an event nor a
            control message all of it was rejected.
    """

    event: Event | None = None
    control: AnyControl | None = None
    problems: tuple[str, ...] = ()


def rejected(reason: str) -> Parsed:
    """Return the result for a message that can't be used at all."""
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
