"""The tested version of claude is the one that the tests run with."""

import json

from actors.protocol.claude import TESTED, is_tested
from actors.scripted_claude.options import VERSION
from tests.claude import ROOT


def test_the_tested_version_is_the_pinned_one() -> None:
    package = json.loads((ROOT / "scripts" / "claude-cli" / "package.json").read_text())
    assert package["dependencies"] == {"@anthropic-ai/claude-code": TESTED}
    lock = json.loads((ROOT / "scripts" / "claude-cli" / "package-lock.json").read_text())
    assert lock["packages"]["node_modules/@anthropic-ai/claude-code"]["version"] == TESTED


def test_the_stand_in_plays_the_tested_version_and_another_is_not_tested() -> None:
    assert is_tested(VERSION)
    assert not is_tested("2.1.400")
    assert not is_tested("")
