"""The command line that starts claude for an agent, and the files that it names."""

import json
from collections.abc import Callable
from pathlib import Path

from actors.agents.prompt import AgentPrompt
from actors.session.settings import SessionSettings

SERVER = "coordinator"
"""The name of the gateway's MCP server; its tools are ``mcp__coordinator__…``."""

PAST_US = (
    *("ListAgents", "SendMessage"),
    *("CronCreate", "CronDelete", "CronList", "Monitor", "ScheduleWakeup", "Workflow"),
)  # fmt: skip
"""Claude's own tools that reach other sessions, or begin turns by themselves: they would bypass the coordinator."""

STREAM = (
    "-p",
    "--input-format", "stream-json",
    "--output-format", "stream-json",
    "--verbose",
    "--replay-user-messages",
)  # fmt: skip


def command_line(
    settings: SessionSettings,
    agent: str,
    session_id: str,
    *,
    resume: bool,
    write: Callable[[Path, bytes], None],
) -> list[str]:
    """Return the command line for an agent's conversation, and write the files that it names.

    Args:
        settings: The settings that all sessions share.
        agent: The agent's name.
        session_id: The conversation.
        resume: True where claude knows the conversation already.
        write: Writes a file with this content.

    Raises:
        PromptError: The agent has no prompt, or one that can't be used.
    """
    prompt = settings.prompt(agent)
    prompt_file = settings.files / f"{agent}.prompt.md"
    mcp_file = settings.files / f"{agent}.mcp.json"
    first_file = settings.files / f"{session_id}.prompt.md"
    write(prompt_file, prompt.text.encode())
    if not resume:
        write(first_file, prompt.text.encode())
    write(mcp_file, _mcp(settings, agent))
    arguments = [*settings.command, *STREAM]
    arguments += ["--resume" if resume else "--session-id", session_id]
    arguments += ["--append-system-prompt-file", str(prompt_file)]
    if resume and _is_other(first_file, prompt.text):
        arguments += [
            "--system-prompt-snapshot",
            "off",
        ]  # claude keeps the prompt that a conversation began with
    arguments += ["--mcp-config", str(mcp_file)]
    arguments += ["--permission-mode", prompt.permission_mode or settings.permission_mode]
    arguments += [
        "--allowedTools",
        f"mcp__{SERVER}",
        f"Edit(/{settings.results(agent)})",
        *prompt.allowed_tools,
    ]
    arguments += ["--disallowedTools", ",".join(_disallowed(prompt))]
    # Claude may edit the directories added to it, but other agents' contexts lie there as well.
    arguments.append(f"Edit(/{settings.readable}/**)")
    arguments += ["--add-dir", str(settings.readable)]
    if prompt.strict_mcp:
        arguments.append("--strict-mcp-config")
    if prompt.model:
        arguments += ["--model", prompt.model]
    if prompt.tools:
        arguments += ["--tools", ",".join(prompt.tools)]
    return [*arguments, *prompt.extra_arguments]


def _disallowed(prompt: AgentPrompt) -> list[str]:
    """Return the tools that an agent may not use; those that its prompt names are left to it."""
    named = {*prompt.tools, *prompt.allowed_tools}
    return ["AskUserQuestion", *(tool for tool in PAST_US if tool not in named), *prompt.disallowed_tools]


def _is_other(file: Path, text: str) -> bool:
    try:
        return file.read_text() != text
    except FileNotFoundError:
        return False  # of a conversation that an earlier version began


def _mcp(settings: SessionSettings, agent: str) -> bytes:
    server = {
        "type": "http",
        "url": f"{settings.gateway_url}/mcp",
        "headers": {"Authorization": f"Bearer {settings.token(agent)}"},
        "alwaysLoad": True,
    }
    return json.dumps({"mcpServers": {SERVER: server}}).encode()
