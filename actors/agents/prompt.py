"""Agents' prompts: the search for a prompt's file, and its format.

A file is written in Claude Code's own format for subagents (front matter between ``---`` lines, then the
prompt), so that it serves there as well; three keys are ours: ``allowed_tools``, ``extra_args`` and ``strict_mcp``.
"""

import os
import re
import stat
from pathlib import Path

from actors.agents.front_matter import FrontMatterError, PermissionMode, read_front_matter
from actors.lib.errors import CoordinatorError, may_pass
from actors.protocol.base import Model, is_agent_name

PRODUCT_PROMPTS = Path(__file__).with_name("prompts").resolve()
"""The folder of the product's own prompts; in a checkout a link to ``prompts/``."""
MAX_BYTES = 256 * 1024
_OPENING = re.compile(r"---[ \t]*\n")
_PARTS = re.compile(r"---[ \t]*(?P<front>\n.*?)^---[ \t]*$\n?(?P<text>.*)", re.DOTALL | re.MULTILINE)


class PromptError(CoordinatorError):
    """An agent has no prompt that can be used."""


class NoPrompt(PromptError):  # noqa: N818 - it says what is missing
    """There is no prompt for this agent.

    Attributes:
        agent: The agent.
        places: The paths that were tried.
    """

    def __init__(self, agent: str, places: tuple[Path, ...]) -> None:
        super().__init__(f"there is no prompt for {agent}; looked for " + ", ".join(map(str, places)))
        self.agent = agent
        self.places = places


class BadPrompt(PromptError):  # noqa: N818 - it says what is wrong
    """A prompt's file can't be used.

    Attributes:
        path: The file.
        line: The number of the line, from 1.
        reason: What is wrong there.
    """

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}, line {line}: {reason}")
        self.path = path
        self.line = line
        self.reason = reason


class AgentPrompt(Model):
    """An agent's prompt, with the options that its session is started with.

    Attributes:
        text: The prompt, appended to Claude Code's own.
        description: The agent's purpose, for people.
        model: The model to use; None: Claude Code's default.
        tools: The only tools that it may use; empty: all of them.
        allowed_tools: Rules of what it may use without being asked, such as ``Bash(npm test:*)``.
        disallowed_tools: Tools that it may not use.
        permission_mode: Claude Code's permission mode; None: the coordinator's setting.
        extra_arguments: More arguments for the command line.
        strict_mcp: True where it sees only the coordinator's MCP server, and none of the user's or project's.
    """

    text: str
    description: str = ""
    model: str | None = None
    tools: tuple[str, ...] = ()
    allowed_tools: tuple[str, ...] = ()
    disallowed_tools: tuple[str, ...] = ()
    permission_mode: PermissionMode | None = None
    extra_arguments: tuple[str, ...] = ()
    strict_mcp: bool = False


RAISE_RIGHTS = {
    "permission_mode": "permissionMode",
    "allowed_tools": "allowed_tools",
    "extra_arguments": "extra_args",
}
"""The fields that raise an agent's rights, and their keys in a file."""


def find_prompt(
    agent: str, work_dir_prompts: Path, product_prompts: Path, *, agents_write: Path | None = None
) -> AgentPrompt:
    """Find and read an agent's prompt: the user's ``.md``, else the user's ``.txt`` (plain text), else the product's.

    Args:
        agent: The agent's name.
        work_dir_prompts: The folder of the user's prompts.
        product_prompts: The folder of the product's prompts.
        agents_write: A folder in which agents may write; a prompt in it can't raise their rights.

    Raises:
        NoPrompt: There is none.
        BadPrompt: The first one found can't be used; no other is taken in its place.
        OSError: It can't be read now, for a reason that may pass.
        ValueError: The name isn't valid for an agent.
    """
    if not is_agent_name(agent):
        raise ValueError(f"{agent!r} is no agent's name")
    places = (
        work_dir_prompts / f"{agent}.md",
        work_dir_prompts / f"{agent}.txt",
        product_prompts / f"{agent}.md",
    )
    for path in places:
        if os.path.lexists(path):
            prompt = _load(path)
            if agents_write is not None and path.resolve().is_relative_to(agents_write.resolve()):
                _check_rights(prompt, path, work_dir_prompts)
            return prompt
    raise NoPrompt(agent, places)


def agents_with_prompts(work_dir_prompts: Path, product_prompts: Path) -> set[str]:
    """Return the agents that have a prompt, whether or not it can be used.

    Raises:
        OSError: A folder can't be read now.
    """
    kinds = {work_dir_prompts: (".md", ".txt"), product_prompts: (".md",)}
    files = [(path, kinds[folder]) for folder in kinds if folder.is_dir() for path in folder.iterdir()]
    return {path.stem for path, suffixes in files if path.suffix in suffixes and is_agent_name(path.stem)}


def bad_prompts(work_dir_prompts: Path, product_prompts: Path) -> list[BadPrompt]:
    """Return the errors in all prompts that would be used, at most one for each agent.

    Raises:
        OSError: They can't be read now.
    """
    found = []
    for agent in sorted(agents_with_prompts(work_dir_prompts, product_prompts)):
        try:
            find_prompt(agent, work_dir_prompts, product_prompts)
        except BadPrompt as error:
            found.append(error)
        except NoPrompt:
            continue  # it was removed just now
    return found


def _check_rights(prompt: AgentPrompt, path: Path, work_dir_prompts: Path) -> None:
    """Check that a prompt that agents may have written gives them no rights."""
    keys = [key for field, key in RAISE_RIGHTS.items() if getattr(prompt, field)]
    if keys:
        reason = (
            f"can't set {', '.join(keys)}, since agents may write this file; move it to {work_dir_prompts}"
        )
        raise BadPrompt(path, 1, reason)


def _load(path: Path) -> AgentPrompt:
    text = _read(path).removeprefix("\ufeff").replace("\r\n", "\n")
    if path.suffix == ".txt" or not _OPENING.match(text):
        return _prompt(path, 1, {}, text)
    parts = _PARTS.match(text)
    if not parts:
        raise BadPrompt(path, 1, "the front matter that begins here has no --- line at its end")
    front = parts["front"]  # with the newline of its opening, so that its lines are numbered as the file's
    try:
        fields = read_front_matter(front)
    except FrontMatterError as error:
        raise BadPrompt(path, error.line, error.reason) from error
    return _prompt(path, front.count("\n") + 2, fields, parts["text"])


def _read(path: Path) -> str:
    try:
        if not path.resolve(strict=True).is_relative_to(path.parent.resolve()):
            raise BadPrompt(path, 1, "is a link that leads out of its folder; put the prompt itself there")
        raw = _read_regular(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, up to Python 3.12
        if isinstance(error, OSError) and may_pass(error):
            raise
        raise BadPrompt(path, 1, f"can't be read: {error}") from error
    if len(raw) > MAX_BYTES:
        raise BadPrompt(path, 1, f"is longer than {MAX_BYTES} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadPrompt(path, raw.count(b"\n", 0, error.start) + 1, "is not UTF-8") from error


def _read_regular(path: Path) -> bytes:
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        return file.read(MAX_BYTES + 1)


def _open_at_once(path: str, flags: int) -> int:
    # A FIFO in its place is refused rather than waited for.
    return os.open(path, flags | os.O_NONBLOCK)


def _prompt(path: Path, line: int, fields: dict[str, object], text: str) -> AgentPrompt:
    if not text.strip():
        raise BadPrompt(path, line, "contains no prompt")
    if fields.get("model") == "inherit":
        del fields["model"]
    return AgentPrompt.model_validate(fields | {"text": text.strip()})
