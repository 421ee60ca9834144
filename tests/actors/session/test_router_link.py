"""Tests of reports to the router and their order, and of the words for a wait."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.protocol.names import ROUTER
from actors.protocol.sessions import Progressed, SessionChanged, SessionReady, SessionState, TurnEnded
from actors.session.conversation import Conversation
from actors.session.drive import Past, TurnOver
from actors.session.router_link import RouterLink, later
from tests.actors.support import Record, recorder, running

NOON = datetime.fromisoformat("2026-11-23T12:00:00+00:00")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (190.4, "goes on at 12:03:10: why"),
        (11 * 3600, "goes on at 23:00:00: why"),
        (12 * 3600, "goes on at 2026-11-24 00:00:00: why"),
    ],
)
def test_the_time_comes_first_and_with_its_day_where_that_is_another(seconds: float, words: str) -> None:
    assert later("goes on", seconds, "why", NOON) == words


def test_the_time_is_the_local_one() -> None:
    before = datetime.now().astimezone()
    words = later("goes on", 0.0, "why")
    passed = datetime.now().astimezone() - before
    possible = [before + timedelta(seconds=second) for second in range(int(passed.total_seconds()) + 2)]
    assert words in [f"goes on at {each:%H:%M:%S}: why" for each in possible]


@pytest.mark.parametrize(
    ("tell", "kind"),
    [
        (lambda link: link.announce(idle=True), SessionReady),
        (lambda link: link.change(SessionState.WORKING, 1), SessionChanged),
        (lambda link: link.turn_ended(TurnOver()), TurnEnded),
    ],
)
def test_how_far_contexts_have_come_is_told_before_what_follows_from_it(
    tell: Callable[[RouterLink], None], kind: type
) -> None:
    conversation = Conversation(receipt_seconds=10, max_attempts=2)
    conversation.deliver(Delivery(id="a", agent="coder", kind=DeliveryKind.MESSAGE, text="text"))
    conversation.begin(Past())
    conversation.written("a", 0.0)
    record = Record()
    with running(recorder(ROUTER, record)) as system:
        link = RouterLink("coder", system, conversation)
        tell(link)
        link.progress()
        record.wait_for(kind)
    assert [type(each) for each in record.all(object)] == [Progressed, kind]


def test_a_state_is_told_once_but_each_detail_of_it() -> None:
    record = Record()
    with running(recorder(ROUTER, record)) as system:
        link = RouterLink("coder", system, Conversation(receipt_seconds=10, max_attempts=2))
        for pid, detail in ((1, ""), (1, ""), (2, ""), (2, "why"), (2, "why"), (2, "")):
            link.change(SessionState.WORKING, pid, detail)
        link.change(SessionState.READY, 2)
        record.wait_for(SessionChanged, lambda change: change.state is SessionState.READY)
    told = [(each.pid, each.detail) for each in record.all(SessionChanged)]
    assert told == [(1, ""), (2, ""), (2, "why"), (2, "why"), (2, "")]
