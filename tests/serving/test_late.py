"""An application that is loaded late: by the first request, and again by the next one where that failed."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from serving import LateApp


class App:
    """An application that notes whether it runs."""

    def __init__(self) -> None:
        self.is_running = False
        self.asgi_app = PlainTextResponse("here")

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Note it."""
        self.is_running = True
        try:
            yield
        finally:
            self.is_running = False


def test_the_first_request_loads_it_and_one_that_could_not_be_answered_is_told_to_come_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app, failures = App(), [OSError(24, "Too many open files"), ImportError("no descriptor")]

    def create() -> App:
        if failures:
            raise failures.pop()
        return app

    late = LateApp(create)
    served = Starlette(routes=[Route("/mcp", late)], lifespan=lambda _: late.open())
    with caplog.at_level(logging.WARNING), TestClient(served) as client:
        assert not app.is_running
        answers = [client.get("/mcp") for _ in range(4)]
        assert [each.status_code for each in answers] == [503, 503, 200, 200]
        assert answers[0].headers["retry-after"] == "1"
        assert app.is_running
    assert not app.is_running
    assert caplog.text.count("can't load what answers /mcp") == 2
