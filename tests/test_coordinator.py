"""The coordinator as a whole, where no program is needed to see it."""

from pathlib import Path

from actors.coordinator import Coordinator
from actors.delivery import Delivery, DeliveryKind, DeliveryState
from actors.messages import ROUTER, Deliver, InputRejected, Progressed
from actors.settings import load_defaults
from supervisors import DeadLetter
from tests.actors.support import Record, recorder, running


def test_a_context_that_kills_its_session_twice_is_a_dead_letter_with_the_traceback(tmp_path: Path) -> None:
    coordinator = Coordinator(load_defaults(work_dir=tmp_path / "work", project_dir=tmp_path))
    delivery = Delivery(id="d-1", agent="coder", kind=DeliveryKind.MESSAGE, text="poison")
    letter = DeadLetter(
        name="session:coder",
        message=Deliver(delivery=delivery),
        reason=RuntimeError("x"),
        traceback="Traceback: here",
        kills=2,
        incarnations=(1, 2),
    )
    record = Record()
    with running(recorder(ROUTER, record)) as system:
        coordinator.system = system
        coordinator._dead_letter(letter)
        (step,) = record.wait_for(Progressed).steps
        rejected = record.wait_for(InputRejected)
    assert (step.delivery_id, step.state) == ("d-1", DeliveryState.DEAD)
    assert "killed its session twice: Traceback: here" in (step.reason or "")
    assert rejected.origin == "actor session:coder"
