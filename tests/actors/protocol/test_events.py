"""The table of event kinds."""

from pathlib import Path
from typing import get_args

import pytest

from actors.protocol import events
from actors.protocol.events import MODELS, EventKind


@pytest.mark.parametrize("kind", get_args(EventKind))
def test_the_model_of_each_kind_is_of_that_kind(kind: EventKind) -> None:
    assert MODELS[kind].model_construct(entity=kind.partition(".")[0]).kind == kind


def test_a_kind_without_a_model_is_named_at_import() -> None:
    source = (
        Path(events.__file__).read_text().replace("EventKind = Literal[", 'EventKind = Literal["agent.new", ')
    )
    with pytest.raises(TypeError, match=r"MODELS for: agent\.new$"):
        exec(compile(source, "events.py", "exec"), {"__name__": "copy"})  # noqa: S102 - our own file
