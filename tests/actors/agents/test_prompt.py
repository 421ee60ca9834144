"""Tests of prompts: the search for them, the format of their files, and the product's own."""

import errno
import os
from pathlib import Path
from typing import get_args

import pytest

from actors.agents import prompt as module
from actors.agents.front_matter import PermissionMode
from actors.agents.prompt import (
    MAX_BYTES,
    AgentPrompt,
    BadPrompt,
    NoPrompt,
    agents_with_prompts,
    bad_prompts,
    find_prompt,
)

PRODUCT = Path(__file__).parents[3] / "prompts"
SHIPPED = sorted(path.stem for path in PRODUCT.glob("*.md"))
SHARED = "\n## Working with the coordinator\n"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "product"
    folder.mkdir()
    return folder


def load(folder: Path, text: str | bytes, name: str = "coder.md") -> AgentPrompt:
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(raw)
    return find_prompt("coder", folder, folder / "nowhere")


def refusal(folder: Path, text: str | bytes) -> BadPrompt:
    with pytest.raises(BadPrompt) as caught:
        load(folder, text)
    assert caught.value.path == folder / "coder.md"
    assert str(caught.value) == f"{caught.value.path}, line {caught.value.line}: {caught.value.reason}"
    return caught.value


# ---------------------------------------------------------------- where it is looked for


def test_the_users_prompt_goes_before_the_products(mine: Path, theirs: Path) -> None:
    (theirs / "coder.md").write_text("the product's")
    assert find_prompt("coder", mine, theirs).text == "the product's"
    (mine / "coder.txt").write_text("mine, plain")
    assert find_prompt("coder", mine, theirs).text == "mine, plain"
    (mine / "coder.md").write_text("mine")
    assert find_prompt("coder", mine, theirs).text == "mine"


@pytest.mark.parametrize("line", ["permissionMode: bypassPermissions", "extra_args: --add-dir /"])
def test_a_prompt_that_agents_may_write_raises_no_rights(mine: Path, theirs: Path, line: str) -> None:
    (theirs / "coder.md").write_text(f"---\ndescription: d\n{line}\n---\nYou code.")
    key = line.partition(":")[0]
    with pytest.raises(
        BadPrompt, match=f"can't set {key}, since agents may write this file; move it to {mine}"
    ):
        find_prompt("coder", mine, theirs, agents_write=theirs.parent)
    # But it may where they can't write, and one there may say the rest.
    assert find_prompt("coder", mine, theirs, agents_write=mine).text == "You code."
    (theirs / "coder.md").write_text("---\ndescription: d\ntools: Read\n---\nYou code.")
    assert find_prompt("coder", mine, theirs, agents_write=theirs).tools == ("Read",)


def test_without_a_prompt_the_places_are_named(mine: Path, theirs: Path) -> None:
    with pytest.raises(NoPrompt) as caught:
        find_prompt("coder", mine, theirs)
    assert caught.value.agent == "coder"
    assert caught.value.places == (mine / "coder.md", mine / "coder.txt", theirs / "coder.md")
    assert all(str(place) in str(caught.value) for place in caught.value.places)


def test_a_bad_prompt_is_not_passed_over_for_another(mine: Path, theirs: Path) -> None:
    (theirs / "coder.md").write_text("the product's")
    (mine / "coder.md").write_text("---\nwrong: key\n---\ntext")
    with pytest.raises(BadPrompt):
        find_prompt("coder", mine, theirs)


@pytest.mark.parametrize("agent", ["../coder", "", ".coder", "a/b", "coder\n"])
def test_a_name_that_is_none_is_refused(agent: str, mine: Path, theirs: Path) -> None:
    with pytest.raises(ValueError, match="no agent's name"):
        find_prompt(agent, mine, theirs)


# ---------------------------------------------------------------- the format


def test_everything_that_can_be_said(mine: Path) -> None:
    prompt = load(
        mine,
        "---\nname: coder\ndescription: Writes code.\ntools: Read, Bash(git log:*, git diff:*), Edit\n"
        "disallowedTools: [WebFetch]\nmodel: claude-opus-4-5[1m]\npermissionMode: plan\n"
        "extra_args: --effort high --add-dir '/a b'\nstrict_mcp: yes\n---\n\nYou write code.\n",
    )
    assert prompt == AgentPrompt(
        text="You write code.",
        description="Writes code.",
        tools=("Read", "Bash(git log:*, git diff:*)", "Edit"),
        disallowed_tools=("WebFetch",),
        model="claude-opus-4-5[1m]",
        permission_mode="plan",
        extra_arguments=("--effort", "high", "--add-dir", "/a b"),
        strict_mcp=True,
    )


@pytest.mark.parametrize(
    ("said", "field", "value"),
    [
        ("tools:\n  - Read\n  - Bash(ls, cat)", "tools", ("Read", "Bash(ls, cat)")),
        ("tools:", "tools", ()),
        ("extra_args: [--betas, a b]", "extra_arguments", ("--betas", "a b")),
        ("model: inherit", "model", None),
        ("strict_mcp: True", "strict_mcp", True),
        ("description: 2024-13-45", "description", "2024-13-45"),
        ("description: >\n  over\n  two lines", "description", "over two lines"),
        ("color: red\nskills: [a]\nhooks: {Stop: []}", "text", "text"),
        ("# only a comment", "text", "text"),
    ],
)
def test_ways_to_say_it(said: str, field: str, value: object, mine: Path) -> None:
    assert getattr(load(mine, f"---\n{said}\n---\ntext"), field) == value


def test_what_is_not_said_is_left_to_claude_and_the_settings(mine: Path) -> None:
    assert load(mine, "just text") == AgentPrompt(text="just text")
    assert load(mine, "---\n---\njust text") == AgentPrompt(text="just text")
    assert not AgentPrompt(text="just text").strict_mcp  # the user's own MCP servers stay available


def test_windows_line_ends_and_a_byte_order_mark(mine: Path) -> None:
    assert load(mine, "\ufeff---\r\nmodel: opus\r\n--- \r\ntwo\r\nlines\r\n") == AgentPrompt(
        text="two\nlines", model="opus"
    )


def test_a_text_file_is_plain_text(mine: Path) -> None:
    text = "---\nwrong: key\n---\nall of it"
    assert load(mine, text, "coder.txt").text == text


def test_a_rule_further_down_belongs_to_the_prompt(mine: Path) -> None:
    assert load(mine, "---\nmodel: opus\n---\none\n\n---\n\ntwo").text == "one\n\n---\n\ntwo"
    assert load(mine, "one\n---\ntwo").text == "one\n---\ntwo"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("---\nname: coder\ntols: Read\n---\ntext", 3, "unknown key 'tols'"),
        ("---\nmodel: opus\n\nmodel: sonnet\n---\ntext", 4, "model appears twice"),
        ("---\nname: [a]\n---\ntext", 2, "name must be text"),
        ("---\ndescription: {a: b}\n---\ntext", 2, "description must be text"),
        ("---\nname: coder\nmodel: --resume\n---\ntext", 3, "model must be one word"),
        ("---\npermissionMode: two words\n---\ntext", 2, "permissionMode must be one of acceptEdits, auto"),
        ("---\nname: coder\npermissionMode: yolo\n---\ntext", 3, "permissionMode must be one of"),
        ("---\npermissionMode: [plan]\n---\ntext", 2, "permissionMode must be text"),
        ("---\ntools: Read,, Edit\n---\ntext", 2, "tools must be names of tools"),
        ("---\ntools: [Read, [Edit]]\n---\ntext", 2, "tools must be names of tools"),
        ("---\ntools: --dangerous\n---\ntext", 2, "tools must be names of tools"),
        ("---\ntools: {Read: yes}\n---\ntext", 2, "tools must be names of tools"),
        (
            "---\nextra_args: '--a \"b'\n---\ntext",
            2,
            "extra_args must be a list of texts",
        ),
        ("---\nextra_args: [{a: b}]\n---\ntext", 2, "extra_args must be a list of texts"),
        ("---\nextra_args: --effort high --resume x\n---\ntext", 2, "extra_args must be without --resume"),
        ("---\nextra_args: [--session-id=x]\n---\ntext", 2, "extra_args must be without --session-id"),
        ("---\nstrict_mcp: perhaps\n---\ntext", 2, "strict_mcp must be true or false"),
        ("---\nname: coder\ndescription: a: b\n---\ntext", 3, "is not YAML: mapping values are not allowed"),
        ("---\nname: *anchor\n---\ntext", 2, "is not YAML: found undefined alias"),
        ("---\n? [a]\n: b\n---\ntext", 2, "a key must be text"),
        ("---\n- a\n- b\n---\ntext", 2, "the front matter must consist of lines"),
        ("---\nname: a\x07b\n---\ntext", 2, "contains the character U+0007"),
        ("---\nname: " + "[" * 100_000 + "\n---\ntext", 2, "is nested too deeply"),
        ("---\nname: coder\n\ntext", 1, "has no --- line at its end"),
        ("---\nname: coder\n---\n \n", 4, "contains no prompt"),
        ("", 1, "contains no prompt"),
        (b"one\ntwo \xff", 2, "is not UTF-8"),
        ("x" * (MAX_BYTES + 1), 1, f"is longer than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str | bytes, line: int, reason: str, mine: Path) -> None:
    error = refusal(mine, text)
    assert reason in error.reason
    assert error.line == line


def test_the_longest_prompt(mine: Path) -> None:
    assert len(load(mine, "x" * MAX_BYTES).text) == MAX_BYTES


# ---------------------------------------------------------------- what isn't a file of ours


def test_a_link_may_not_lead_out_of_its_folder(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.md").write_text("outside")
    (mine / "coder.md").symlink_to(tmp_path / "outside.md")
    with pytest.raises(BadPrompt, match="leads out of its folder"):
        find_prompt("coder", mine, mine)
    # A link to a neighbour shares one prompt between agents.
    (mine / "coder.md").unlink()
    (mine / "base.md").write_text("shared")
    (mine / "coder.md").symlink_to("base.md")
    assert find_prompt("coder", mine, mine).text == "shared"


def test_what_is_no_regular_file_is_refused(mine: Path) -> None:
    place = mine / "coder.md"
    os.mkfifo(place)
    with pytest.raises(BadPrompt, match="not a regular file"):
        find_prompt("coder", mine, mine)
    place.unlink()
    place.mkdir()
    with pytest.raises(BadPrompt, match="can't be read"):
        find_prompt("coder", mine, mine)
    place.rmdir()
    place.symlink_to("coder.md")
    with pytest.raises(BadPrompt, match="can't be read"):
        find_prompt("coder", mine, mine)


@pytest.mark.parametrize("mode", get_args(PermissionMode))
def test_each_permission_mode_that_claude_knows(mode: str, mine: Path) -> None:
    assert load(mine, f"---\npermissionMode: {mode}\n---\ntext").permission_mode == mode


def test_the_bad_ones_are_found_before_anybody_needs_them(mine: Path, theirs: Path) -> None:
    assert bad_prompts(mine / "nowhere", theirs) == []
    (mine / "coder.md").write_text("---\npermissionMode: yolo\n---\ntext")
    (mine / "tester.md").write_text("fine")
    (mine / "reviewer.txt").write_text("")
    (mine / "notes.bak").write_text("---\n")
    (mine / ".hidden.md").write_text("---\n")
    (theirs / "coder.md").write_text("fine")
    (theirs / "other.txt").write_text("no prompt of the product's")
    assert [error.path.name for error in bad_prompts(mine, theirs)] == ["coder.md", "reviewer.txt"]
    assert agents_with_prompts(mine, theirs) == {"coder", "tester", "reviewer"}
    assert agents_with_prompts(mine / "nowhere", theirs) == {"coder"}


def test_one_that_cannot_be_read_just_now_is_not_called_bad(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_descriptor_left(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(module, "_read_regular", no_descriptor_left)
    with pytest.raises(OSError, match="too many open files") as caught:
        load(mine, "text")
    assert not isinstance(caught.value, BadPrompt)


# ---------------------------------------------------------------- the ones that ship


def test_which_prompts_ship() -> None:
    assert SHIPPED == ["architect-agent", "coding-agent", "debug-agent", "review-agent", "test-agent"]


@pytest.mark.parametrize("agent", SHIPPED)
def test_a_shipped_prompt_loads(agent: str, mine: Path) -> None:
    prompt = find_prompt(agent, mine, PRODUCT)
    assert prompt.description
    assert prompt.model is None
    assert f"\nname: {agent}\n" in (PRODUCT / f"{agent}.md").read_text()


def test_only_the_reviewer_is_restricted(mine: Path) -> None:
    tools = {agent: find_prompt(agent, mine, PRODUCT).tools for agent in SHIPPED}
    assert tools.pop("review-agent") == ("Read", "Grep", "Glob", "Bash")
    assert not any(tools.values())


def test_the_part_on_the_coordinator_is_the_same_in_all(mine: Path) -> None:
    shared = {find_prompt(agent, mine, PRODUCT).text.partition(SHARED)[2] for agent in SHIPPED}
    assert len(shared) == 1
    text = shared.pop()
    for word in ("mcp__coordinator__", "complete_subtask", "report_blocked", "my_subtask", "send_message"):
        assert word in text
    for word in ("share_knowledge", "TASK_COMPLETE", "BLOCKED:", "[coordinator delivery=", "`> `"):
        assert word in text


def test_the_prompts_name_every_kind_of_context() -> None:
    from actors.protocol.deliveries import DeliveryKind  # noqa: PLC0415 - only this test ties the two together

    text = (PRODUCT / "coding-agent.md").read_text()
    assert [kind for kind in DeliveryKind if f"`{kind}`" not in text] == []


def test_the_prompts_name_every_tool() -> None:
    from actors.gateway.tools import TOOLS  # noqa: PLC0415 - only this test ties the two together

    text = (PRODUCT / "coding-agent.md").read_text()
    assert [name for name in TOOLS if f"`{name}`" not in text] == []
