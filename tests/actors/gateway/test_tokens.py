"""Tokens: good for whom they were made, for nobody else; and the secret behind them."""

import errno
import os
import stat
from pathlib import Path

import pytest

from actors.gateway.tokens import Tokens, load_secret
from actors.lib.errors import ConfigurationError

SECRET = bytes(range(32))


@pytest.fixture
def tokens() -> Tokens:
    return Tokens(SECRET)


@pytest.mark.parametrize("agent", ["coder", "a", "x.y.z", "agent", "operator", "A-1_b.c"])
def test_a_token_names_its_agent(agent: str, tokens: Tokens) -> None:
    assert tokens.agent_of(tokens.for_agent(agent)) == agent
    assert not tokens.is_operator(tokens.for_agent(agent))


def test_the_operators_token_is_no_agents(tokens: Tokens) -> None:
    assert tokens.is_operator(tokens.operator)
    assert tokens.agent_of(tokens.operator) is None


def test_tokens_outlive_the_process_but_not_the_secret(tokens: Tokens) -> None:
    assert Tokens(SECRET).agent_of(tokens.for_agent("coder")) == "coder"
    other = Tokens(SECRET[::-1])
    assert other.agent_of(tokens.for_agent("coder")) is None
    assert not other.is_operator(tokens.operator)


def test_forgeries(tokens: Tokens) -> None:
    good = tokens.for_agent("coder")
    mac = good.rpartition(".")[2]
    forgeries = [
        "", ".", "agent.", "agent.coder", "agent.coder.", "operator", "operator.", "agent..",
        f"agent.other.{mac}", f"operator.{mac}", f"agent.{mac}", f"coder.{mac}", f"agent.coder.x.{mac}",
        good.upper(), good + " ", good + "\n", " " + good, good + "é", "\ud800", "é" * 100, "x" * 100_000,
    ]  # fmt: skip
    for cut in range(len(good)):
        forgeries.append(good[:cut])
        forgeries.append(good[:cut] + ("0" if good[cut] != "0" else "1") + good[cut + 1 :])
    for forgery in forgeries:
        assert tokens.agent_of(forgery) is None, forgery
        assert not tokens.is_operator(forgery), forgery


@pytest.mark.parametrize("agent", ["", "../x", "a b", "coder\n", ".x", "é", "x" * 65])
def test_a_token_for_nobody(agent: str, tokens: Tokens) -> None:
    with pytest.raises(ValueError, match="no agent's name"):
        tokens.for_agent(agent)


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        Tokens(SECRET[:31])


# ---------------------------------------------------------------- the secret's file


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = load_secret(path)
    assert len(secret) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_secret(path) == secret
    assert load_secret(tmp_path / "other") != secret


def test_the_umask_does_not_open_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        load_secret(tmp_path / "secret")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_secret_that_others_may_know_is_refused(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    load_secret(path)
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"open to others .mode {mode:04o}"):
        load_secret(path)


@pytest.mark.parametrize("content", [b"", b"short", SECRET + b"\n"])
def test_a_file_that_holds_no_secret(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="does not hold the gateway's secret"):
        load_secret(path)


def test_what_is_no_file_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    load_secret(tmp_path / "real")
    path.symlink_to(tmp_path / "real")
    with pytest.raises(ConfigurationError, match="secret is a symlink; the gateway's secret belongs there"):
        load_secret(path)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigurationError, match="no ordinary file; the gateway's secret belongs there"):
        load_secret(path)
    path.unlink()
    path.mkdir(0o700)
    with pytest.raises(ConfigurationError, match="no ordinary file; the gateway's secret belongs there"):
        load_secret(path)
    with pytest.raises(ConfigurationError, match="can't be made"):
        load_secret(tmp_path / "nowhere" / "secret")


def test_a_secret_of_somebody_elses_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    load_secret(path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match=f"open to others .mode 0600, user {os.getuid()}"):
        load_secret(path)


def test_a_secret_that_can_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret"
    load_secret(path)

    def _fail(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", _fail)
    with pytest.raises(ConfigurationError, match="secret can't be read: Permission denied"):
        load_secret(path)
