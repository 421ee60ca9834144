"""Tests of ``retry backend``, after the backend was given up."""

from pathlib import Path

import pytest

from actors.app.tree import SCRIPTED
from tests.actors.connection.peer import Listener
from tests.claude import scripted_environment
from tests.e2e.product import Product
from tests.e2e.program import main


@pytest.mark.usefixtures("programs")
def test_a_person_has_a_backend_tried_again_that_was_given_up(tmp_path: Path) -> None:
    with Listener() as free:
        port, url = free.port, free.url
    (tmp_path / "home").mkdir()
    environment = scripted_environment(tmp_path / "home")
    product = Product(tmp_path, SCRIPTED, environment, ws_url=url, max_reconnect_attempts=1)
    product.start()
    try:
        product.wait_for(lambda event: event["event_type"] == "backend.given_up")
        # When it is there again, and a person says so
        with Listener(port) as backend:
            done = main(environment | {"WORK_DIR": str(product.work.path)}, "retry", "backend")
            assert (done.returncode, done.stderr) == (0, "")
            assert "the coordinator tries now" in done.stdout
            # Then it is connected, and the history has both
            with backend.open():
                product.wait_for(lambda event: event["event_type"] == "backend.retried")
                product.wait_for(lambda event: event["event_type"] == "backend.open")
    finally:
        product.stop()
