"""What all commands share: flags made from the Plan, one shape for answers and errors, exit codes."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, get_args

import click

from metier import files
from metier.data.sources.addresses import masked
from metier.errors import Interrupted, MetierError
from metier.plan import Plan, fields

Command = Callable[..., Any]


def common(command: Command) -> Command:
    """The flags that all commands take, and errors told clearly: exit 1 with one JSON object or three plain lines."""

    @wraps(command)
    def run(json_: bool, quiet: bool, workspace: str | None, **options: Any) -> None:
        screen = Screen(json_, quiet)
        try:
            command(screen=screen, workspace=workspace, **options)
        except MetierError as error:
            screen.fail(error)
        except KeyboardInterrupt:
            again = shlex.join(["metier", *map(masked, sys.argv[1:])])
            kept = "Stopped; what was done is kept."
            screen.fail(Interrupted("interrupted", kept, found="Ctrl-C", fix=f"To go on: {again}"), 130)

    flagged: Command = run
    for option in (
        _option("seed", Plan.model_fields["seed"]),
        click.option("--workspace", metavar="DIR", help="Where runs and caches lie [METIER_HOME or ./metier]."),
        click.option("--json", "json_", is_flag=True, help="One JSON object on stdout; all else on stderr."),
        click.option("--quiet", is_flag=True, help="No progress."),
    ):
        flagged = option(flagged)
    return flagged


def choices(*sections: str) -> Callable[[Command], Command]:
    """The flags of these sections of the Plan ("" for --name), with their own words, types and ranges.

    `section.name` is one choice of a section.
    """

    def add(command: Command) -> Command:
        for section, name, field in reversed(fields()):
            if {section or "", f"{section}.{name}"} & set(sections) and name != "seed":
                command = _option(name, field)(command)
        return command

    return add


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Only the flags that were typed: the rest is the Plan's own business."""
    return {name: value for name, value in options.items() if value is not None and value != ()}


class Screen:
    """Where a command's answer goes: JSON for programs, tables for people; progress on stderr."""

    def __init__(self, as_json: bool, quiet: bool) -> None:
        from metier.terminal import Terminal

        self.as_json = as_json
        self.progress = Terminal(quiet)

    def show(self, answer: Any, told: Callable[[], None]) -> None:
        """The answer as one JSON object, or as `told` tells it to a person."""
        if self.as_json:
            click.echo(json.dumps(json.loads(files.pretty(answer)), ensure_ascii=False))
        else:
            told()

    def fail(self, error: MetierError, code: int = 1) -> None:
        """Tell the error and end with this exit code."""
        if self.as_json:
            click.echo(json.dumps(error.as_json(), ensure_ascii=False))
        else:
            click.echo(f"metier: {error}", err=True)
        raise SystemExit(code)


def _option(name: str, field: Any) -> Callable[[Command], Command]:
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)] or [field.annotation]
    default = field.get_default(call_default_factory=True)
    flag = "--" + (field.json_schema_extra or {}).get("flag", name).replace("_", "-")
    shown = (
        "" if default is None or default == () else f" [{default:g}]" if isinstance(default, float) else f" [{default}]"
    )
    if name == "time_limit":
        shown = " [10m]"
    text = field.description + (shown if not isinstance(default, bool) else "")
    if isinstance(default, bool):
        return click.option(
            f"{flag}/--no-{flag[2:]}", name, default=None, help=text + f" [{'yes' if default else 'no'}]"
        )
    if all(isinstance(kind, str) for kind in kinds):
        return click.option(flag, name, type=click.Choice([str(kind) for kind in kinds]), help=text)
    several = isinstance(default, tuple)
    number = int if int in kinds else float if float in kinds and name != "time_limit" else str
    label = {int: "N", float: "X", str: "TEXT"}[number]
    return click.option(flag, name, type=number, multiple=several, metavar=label, default=None, help=text)
