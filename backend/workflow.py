"""`python -m backend.workflow`: creates a task whose subtasks depend on each other, in one request."""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import urlsplit

import typer
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console
from rich.table import Table
from rich.text import Text

from backend.agents import unknown_agents
from backend.errors import BackendError, InvalidError
from backend.plan import Plan, PlanError, default_plan, read_plan
from backend.requests import NewTask
from backend.views import TaskTree
from backend.workdir import DEFAULT_WORK_DIR, read_token, read_url

FAILED = 1
INVALID = 2
DEFAULT_URL = "http://127.0.0.1:8000"
PROGRAM = os.environ.get("COORDINATOR_PROGRAM", "agent-coordinator")
"""The command that runs the coordinator; the scripts of a checkout set it to their own name."""
UNWRAPPED = 10_000
"""The width in columns without a terminal."""
MAX_PLAN = 1_000_000
"""The largest plan, in bytes; parsing more would take longer than people wait."""
TIMEOUT = 30.0
"""Seconds to wait for the backend's answer."""


class Nearby(BaseSettings):
    """The coordinator's own sources of settings: the environment, and ``.env`` in the current folder."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    work_dir: Path = DEFAULT_WORK_DIR


class Refusal(BaseModel):
    """The backend's answer to a refused request."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    error: str
    message: str


class BackendUnavailableError(BackendError):
    """No backend answered, or the answer is no backend's."""


def main(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="The project that the task belongs to.")],
    branch: Annotated[str, typer.Argument(metavar="BRANCH", help="The branch that the agents work on.")],
    description: Annotated[
        str,
        typer.Argument(metavar="DESCRIPTION", help="The work to do. Its first line becomes the title."),
    ],
    *,
    plan: Annotated[
        Path | None, typer.Option(help="YAML file with the steps. Default: design, implement, test.")
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(
            envvar="BACKEND_URL",
            help=f"URL of the backend. Default: the one in --work-dir, or with BACKEND_TOKEN {DEFAULT_URL}.",
        ),
    ] = None,
    work_dir: Annotated[
        Path | None,
        typer.Option(
            help="The coordinator's work directory, where the embedded backend keeps its address and token."
            f" Default: WORK_DIR in the environment or in .env, or {DEFAULT_WORK_DIR}."
            " For another backend, set its token as BACKEND_TOKEN in the environment.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the steps and create nothing.")] = False,
) -> None:
    """Create a workflow: a task, with a subtask for each step, its agent and its dependencies.

    For example: shop feature/auth "Build Auth System" --plan plan.yaml --dry-run

    A plan is a list of steps, such as: - {title: Implement it, agent: coding-agent, depends_on: [Design it]}

    Exit codes: 0 created; 1 the backend doesn't answer or refuses; 2 the plan has mistakes, listed with their
    lines.
    """
    try:
        steps = _plan(plan, description)
        new = _request(project, branch, description, steps)
    except PlanError as error:
        _fail(*(f"{plan}: {problem}" for problem in error.problems), code=INVALID)
    except BackendError as error:
        _fail(error.message, code=INVALID)
    try:
        work_dir = (work_dir or _nearby()).expanduser()
    except BackendError as error:
        _fail(error.message, code=FAILED)
    for warning in unknown_agents(steps.agents(), work_dir):
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201 (the command's own output)
    if dry_run:
        _show(new.title, steps)
        return
    try:
        url = url or read_url(work_dir) or _default_url(work_dir)
        created = _create(url, _Token(work_dir), new)
    except BackendError as error:
        _fail(error.message, code=FAILED)
    _show(f"{created.title} ({created.id})", steps, [each.id for each in created.subtasks])
    print(f"created on {url}; to watch it: {PROGRAM} status")  # noqa: T201 (the command's own output)


def _plan(path: Path | None, description: str) -> Plan:
    if not description.strip():
        raise InvalidError("the description is empty")
    if path is None:
        return default_plan(description)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_PLAN + 1)
        if len(data) > MAX_PLAN:
            raise InvalidError(
                f"{path} has more than {MAX_PLAN:,} bytes; put long details into a file that the agents read"
            )
        return read_plan(data.decode("utf-8"))
    except OSError as error:
        raise InvalidError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{path} is not UTF-8 text") from None


def _request(project: str, branch: str, description: str, plan: Plan) -> NewTask:
    """Return the single request that creates everything, validated as the backend will validate it."""
    steps = [
        {
            "key": f"step-{place}",
            "title": step.title,
            "details": step.details,
            "assignees": list(step.agents),
            "depends_on": [f"step-{other}" for other in others],
        }
        for place, (step, others) in enumerate(zip(plan.steps, plan.waits_for(), strict=True))
    ]
    title = plan.title or description.strip().splitlines()[0][:1_000]
    body = {"title": title, "details": plan.details or description, "project": project, "branch": branch}
    try:
        return NewTask.model_validate(body | {"subtasks": steps})
    except ValidationError as error:
        raise InvalidError.of(error.errors(include_url=False, include_input=False)) from None


def _nearby() -> Path:
    """Return the work directory that a coordinator started here would use."""
    try:
        return Nearby().work_dir
    except (OSError, ValueError) as error:
        raise InvalidError(f"{Path('.env').absolute()} can't be read: {error}") from None


class _Token:
    """The token for the request, told only after connecting.

    A work directory's token is for the backend that runs there. While that holds the directory it holds its port too,
    so a program that has taken the port of a backend that ended is not told.
    """

    def __init__(self, work_dir: Path) -> None:
        self._work_dir = work_dir
        self._given = os.environ.get("BACKEND_TOKEN")
        self._found = "" if self._given else read_token(work_dir)

    def tell(self) -> str:
        """Return the token, if the connection that was made just now may have it."""
        if not self._given and read_url(self._work_dir) is None:
            raise BackendUnavailableError(f"no backend runs in {self._work_dir}; start one with {PROGRAM}")
        return self._given or self._found


def _default_url(work_dir: Path) -> str:
    """Return the default URL, or refuse it without BACKEND_TOKEN: a work directory's token is for its own backend."""
    if "BACKEND_TOKEN" in os.environ:
        return DEFAULT_URL
    raise BackendUnavailableError(f"no backend runs in {work_dir}; start one with {PROGRAM}, or give --url")


def _create(url: str, token: _Token, new: NewTask) -> TaskTree:
    try:
        status, answer = _post(url, token, new.model_dump_json(exclude_none=True))
    except (OSError, HTTPException, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BackendUnavailableError(f"no backend answers at {url} ({reason}); is it running?") from None
    if status == HTTPStatus.CREATED:
        return TaskTree.model_validate_json(answer)
    try:
        refusal = Refusal.model_validate_json(answer)
    except ValidationError:
        raise BackendUnavailableError(f"what answers at {url} is no backend (status {status})") from None
    raise BackendUnavailableError(f"the backend at {url} refuses: {refusal.message} [{refusal.error}]")


def _post(url: str, token: _Token, body: str) -> tuple[int, bytes]:
    """Post to exactly this address, so that no proxy and no redirect gets the token."""
    address = urlsplit(url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise InvalidError(f"{url!r} is no URL of a backend, such as http://127.0.0.1:8000")
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    with closing(kind(address.hostname, address.port, timeout=TIMEOUT)) as connection:
        connection.connect()
        headers = {"Authorization": f"Bearer {token.tell()}", "Content-Type": "application/json"}
        connection.request("POST", f"{address.path.rstrip('/')}/api/tasks", body.encode(), headers)
        response = connection.getresponse()
        return response.status, response.read()


def _show(title: str, plan: Plan, ids: Sequence[str] = ()) -> None:
    table = Table(*["#", "step", "agent", "after", "id"][: 5 if ids else 4], title=_plain(title))
    for column in table.columns:
        column.overflow = "fold"
    for place, (step, others) in enumerate(zip(plan.steps, plan.waits_for(), strict=True)):
        cells = [
            str(place + 1),
            step.title,
            ", ".join(step.agents),
            ", ".join(str(other + 1) for other in others),
        ]
        table.add_row(*map(_plain, cells + list(ids[place : place + 1])))
    console = Console()
    if not console.is_terminal and not os.environ.get("COLUMNS"):
        console.width = UNWRAPPED  # the reader needs complete ids
    console.print(table)


def _plain(text: str) -> Text:
    """Return the text without control characters, which a terminal would obey."""
    return Text("".join(each if each.isprintable() else "�" for each in text))


def _fail(*lines: str, code: int) -> NoReturn:
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 (the command's own output)
    raise typer.Exit(code)


if __name__ == "__main__":
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a question mark for what the terminal's encoding lacks
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False
    )  # a pretty traceback would show locals, including the token
    app.command(no_args_is_help=True)(main)
    app(prog_name="start_autonomous_workflow.sh")
