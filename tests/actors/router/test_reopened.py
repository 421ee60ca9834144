"""A cancelled subtask that is changed and then reopened."""

from tests.actors.router.office import Office


def test_what_it_no_longer_depends_on_may_depend_on_it(office: Office) -> None:
    # Given a subtask that is cancelled, and then no longer depends on another
    office.create("A", "a")
    office.create("B", "b", "A")
    office.update("B", status="cancelled")
    office.update("B", dependencies=())
    # When it is to be done after all, and the other one now depends on it
    office.update("B", status="todo")
    office.update("A", dependencies=("B",))
    # Then nobody waits for himself
    assert office.node("A").hold is None
    assert office.node("A").state == "waiting"
    assert office.node("B").state == "ready"
