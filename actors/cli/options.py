"""Command-line options for the settings: one for each, with the same name, made from its field."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from pydantic.fields import FieldInfo

from actors.app.settings import Settings, load
from actors.lib.program import repeat_options


def with_settings(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add options for these settings to a command, and pass it the result as ``settings``; no names mean all.

    Without an option, the environment and ``.env`` decide. The settings that the command doesn't use keep their
    defaults, so a wrong value among them does no harm.
    """
    chosen = names or tuple(Settings.model_fields)
    others = {name: field.default for name, field in Settings.model_fields.items() if name not in chosen}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(command)
        own = [each for each in signature.parameters.values() if each.name != "settings"]
        options = [_parameter(name, Settings.model_fields[name]) for name in chosen]

        @wraps(command)
        def run(**values: Any) -> Any:  # noqa: ANN401 - the command's own parameters
            given = {name: values.pop(name) for name in chosen}
            settings = load(starts_agents="claude_command" in chosen, **(others | given))
            if given.get("work_dir") or os.environ.get("WORK_DIR"):  # else the next command finds it too
                repeat_options("--work-dir", str(settings.work_dir))
            return command(**values, settings=settings)

        run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]  # typer reads it
        run.__annotations__ = {each.name: each.annotation for each in (*own, *options)}
        return run

    return decorate


def _parameter(name: str, field: FieldInfo) -> inspect.Parameter:
    kind: type = next(
        (
            each
            for each in (bool, int, float, Path)
            if each in (field.annotation, *get_args(field.annotation))
        ),
        str,
    )
    option = "--" + name.replace("_", "-")
    switch = f"{option}/--no-{option[2:]}" if kind is bool else option
    shown = (
        field.default
        if name not in ("claude_command", "project_dir")
        else {"claude_command": "claude"}.get(name, ".")
    )
    text = f"{field.description} [env: {name.upper()}]" + ("" if shown is None else f" [default: {shown}]")
    annotation = Annotated[kind | None, typer.Option(switch, help=text, show_default=False)]  # type: ignore[valid-type]  # made at run time
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
