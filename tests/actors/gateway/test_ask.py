"""Asking the router, without HTTP: whatever becomes of the asker, the router is never harmed."""

import asyncio

import pytest

from actors.gateway.ask import Router
from actors.gateway.errors import RouterSilentError
from actors.protocol.reports import Answer, DescribeSubtask, Reply

ANSWER = Answer(ok=True, text="Recorded.")


class Box:
    """Stands for the router's mailbox: keeps the replies that it is to set."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []

    def tell(self, message: object) -> None:
        """Take the reply out of a report."""
        assert isinstance(message, DescribeSubtask)
        assert message.reply is not None
        self.replies.append(message.reply)


def question(reply: Reply) -> DescribeSubtask:
    return DescribeSubtask(agent="coder", reply=reply)


def test_an_answer_in_time() -> None:
    async def work() -> Answer:
        asking = asyncio.create_task(Router(box, 10).ask(question))
        await asyncio.sleep(0)
        box.replies[0].set_result(ANSWER)
        return await asking

    box = Box()
    assert asyncio.run(work()) == ANSWER


def test_a_late_answer_finds_nobody_and_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    box = Box()
    with pytest.raises(RouterSilentError, match=r"did not answer within 0\.01 s"):
        asyncio.run(Router(box, 0.01).ask(question))
    # The event loop is gone, and the router answers nevertheless.
    box.replies[0].set_result(ANSWER)
    assert caplog.records == []


def test_an_asker_that_goes_away_does_not_cancel_the_reply(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        asking = asyncio.create_task(Router(box, 10).ask(question))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    box = Box()
    asyncio.run(work())
    assert not box.replies[0].cancelled()
    box.replies[0].set_result(ANSWER)
    assert caplog.records == []
