"""The sources of settings, and the message about one that can't be used."""

from pathlib import Path
from typing import Any

import pytest

from actors.app.settings import Settings, load
from actors.lib.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def complaint(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**options)
    return str(caught.value)


def test_a_wrong_value_in_a_file_named_env_is_said_to_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("MAX_QUEUE_SIZE=0\n")
    assert complaint().endswith(f"(in {tmp_path}/.env)")
    # But: a value that goes before it isn't.
    monkeypatch.setenv("MAX_QUEUE_SIZE", "-1")
    assert ".env" not in complaint()
    monkeypatch.delenv("MAX_QUEUE_SIZE")
    assert ".env" not in complaint(max_queue_size=-1)


def test_a_file_named_env_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"LOG_LEVEL=\xff\n")
    assert complaint().startswith(f"{tmp_path}/.env can't be read: ")


@pytest.mark.parametrize(
    "url",
    ["http://u:s3cret@h", "wss://u:s3cret", "wss://[s3cret", "wss://h:99999/?token=s3cret", "wss://?s3cret"],
)
def test_a_url_that_cannot_be_used_is_not_shown(url: str) -> None:
    said = complaint(ws_url=url)
    assert "WS_URL: must look like ws://host:port/path" in said
    assert "s3cret" not in said


def test_the_log_level_is_known_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "Warning")
    assert load().log_level == "warning"
    assert load(log_level="DEBUG").log_level == "debug"
    assert "LOG_LEVEL" in complaint(log_level="loud")


def test_the_form_of_the_log_is_text_or_json() -> None:
    assert load().log_format == "text"
    assert load(log_format="JSON").log_format == "json"
    assert "LOG_FORMAT" in complaint(log_format="xml")
