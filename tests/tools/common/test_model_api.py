"""Tests of the double of the Messages API, with requests like claude's."""

import json
import signal
import subprocess
import sys
import threading
from typing import Any

import httpx
import pytest

from tools.common.model_api import ModelApi

TOOLS = [{"name": "Bash"}]


def _ask(api: ModelApi, *texts: str, session: str = "s", stream: bool = False, **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text} for text in texts]
    body = {"model": "m", "messages": messages, "tools": TOOLS, "stream": stream, **more}
    headers = {"x-claude-code-session-id": session}
    return httpx.post(f"{api.url}/v1/messages?beta=true", json=body, headers=headers, timeout=20)


def test_it_plays_what_the_message_says() -> None:
    with ModelApi() as api:
        answer = _ask(api, '@play [{"say": "hi"}, {"bash": "ls"}, {"say": "never in this answer"}]').json()

    assert [block.get("text", block.get("name")) for block in answer["content"]] == ["hi", "Bash"]
    assert answer["stop_reason"] == "tool_use"


def test_it_streams() -> None:
    with ModelApi() as api:
        lines = _ask(api, '@play [{"say": "hi"}]', stream=True).text.splitlines()

    events = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert [event["type"] for event in events] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert events[2]["delta"]["text"] == "hi"


def test_a_tool_that_is_not_there_is_said() -> None:
    with ModelApi() as api:
        answer = _ask(api, '@play [{"complete": {}}]').json()

    assert answer["content"] == [
        {"type": "text", "text": "(no such tool: mcp__coordinator__complete_subtask)"}
    ]


def test_each_text_counts_once_though_the_history_comes_again() -> None:
    with ModelApi() as api:
        _ask(api, "one")
        _ask(api, "one", "two")
        _ask(api, "one", session="other")
        _ask(api, "twice", "twice", session="third")

    assert api.user_texts("s") == ["one", "two"]
    assert api.user_texts() == ["one", "two", "one", "twice", "twice"]
    assert api.told("one") == 2


def test_side_requests_are_answered_and_no_part_of_it() -> None:
    with ModelApi() as api:
        title = _ask(api, "one", tools=[])
        count = httpx.post(f"{api.url}/v1/messages/count_tokens", json={"messages": []})
        hello = httpx.head(api.url)

    assert (title.status_code, count.status_code, hello.status_code) == (200, 200, 200)
    assert api.turns() == []


@pytest.mark.parametrize("status", [401, 429, 500, 529])
def test_it_fails_as_often_as_asked(status: int) -> None:
    with ModelApi() as api:
        api.fail(status, times=1, retry_after=3)
        failed, fine = _ask(api, "one"), _ask(api, "one")

    assert (failed.status_code, failed.headers["retry-after"]) == (status, "3")
    assert fine.status_code == 200


def test_a_fault_of_a_play_happens_as_often_as_it_says() -> None:
    text = '@play [{"error": {"status": 529, "times": 2}}, {"say": "hi"}]'
    with ModelApi() as api:
        codes = [_ask(api, text).status_code for _ in range(3)]

    assert codes == [529, 529, 200]


def test_it_drops_the_connection_in_the_midst_of_an_answer() -> None:
    with ModelApi() as api, pytest.raises(httpx.RemoteProtocolError):
        _ask(api, '@play [{"say": "hi"}, {"drop": true}]', stream=True)


def test_it_holds_requests_until_they_are_released() -> None:
    with ModelApi() as api:
        api.hold()
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(_ask(api, "one").status_code))
        asking.start()
        api.wait_for(lambda seen: seen.told("one") == 1)
        assert answers == []
        api.release()
        asking.join(20)

    assert answers == [200]


def test_waiting_has_an_end() -> None:
    with ModelApi() as api, pytest.raises(TimeoutError):
        api.wait_for(lambda seen: seen.told("never") == 1, timeout=0.01)


def test_closing_ends_what_hangs() -> None:
    with ModelApi() as api:
        asking = threading.Thread(target=_ask_in_vain, args=(api,))
        asking.start()
        api.wait_for(lambda seen: len(seen.turns()) == 1)

    asking.join(20)
    assert not asking.is_alive()


def test_closing_ends_what_is_kept_open() -> None:
    with httpx.Client() as client:
        with ModelApi() as api:
            assert client.head(api.url).status_code == 200

        with pytest.raises(httpx.ConnectError):
            client.head(api.url)


def test_it_runs_by_itself() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.common.model_api", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout
        ready, url = process.stdout.readline().split()
        assert ready == "ready"
        assert httpx.head(url).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def _ask_in_vain(api: ModelApi) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        _ask(api, '@play [{"hang": true}]')
