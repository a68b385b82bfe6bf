"""Write the generated pages: `python docs/generate.py`, or `--check` to fail where one is out of date.

command-line.md is every command's own --help; plan.md every choice of the Plan with its type, range and default.
"""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any, get_args

import click

HERE = Path(__file__).parent
WIDTH = 100
NOTE = "<!-- Made by docs/generate.py; change the code, then run `make docs`. -->"


def commands(group: click.Group, name: str = "metier") -> list[tuple[str, click.Command]]:
    """(full name, command) of a group and everything under it, in the order its own help lists them."""
    found: list[tuple[str, click.Command]] = [(name, group)]
    context = click.Context(group, info_name=name)
    for sub in group.list_commands(context):
        command = group.get_command(context, sub)
        if command is None or command.hidden:
            continue
        full = f"{name} {sub}"
        found += commands(command, full) if isinstance(command, click.Group) else [(full, command)]
    return found


def help_text(name: str, command: click.Command) -> str:
    """What `--help` prints, at a fixed width whatever the terminal's is."""
    settings = {**command.context_settings, "help_option_names": ["-h", "--help"]}
    # A command keeps the help flags it was first asked with; its copy has not been asked.
    command = copy.copy(command)
    command._help_option = None
    settings |= {"terminal_width": WIDTH, "max_content_width": WIDTH}
    return command.get_help(click.Context(command, info_name=name, **settings)).rstrip()


def command_line(group: click.Group) -> str:
    """The page of all commands."""
    parts = [
        NOTE,
        "# The command line",
        "Every command exits with 0 on success, 1 on a clear error, 2 on wrong usage, and takes `--json`: one JSON\n"
        "object on stdout, everything else on stderr ([its shapes](json.md)). Flags that are choices of a plan are\n"
        "told at more length in [plan.md](plan.md).",
    ]
    for name, command in commands(group):
        parts += [f"## {name}", f"```text\n$ {name} --help\n{help_text(name, command)}\n```"]
    return "\n\n".join(parts) + "\n"


def kind_of(field: Any) -> str:
    """A field's type in a word or its allowed values."""
    kinds = [kind for kind in get_args(field.annotation) if kind not in (type(None), Ellipsis)] or [field.annotation]
    if all(isinstance(kind, str) for kind in kinds):
        return ", ".join(f"`{kind}`" for kind in kinds)
    if any(type(item).__name__ == "BeforeValidator" for item in field.metadata):
        return "duration"
    if isinstance(field.get_default(call_default_factory=True), tuple):
        return "names"
    words = {str: "text", bool: "yes or no", int: "whole number", float: "number"}
    return " or ".join(dict.fromkeys(words.get(kind, getattr(kind, "__name__", str(kind))) for kind in kinds))


def range_of(field: Any) -> str:
    """The bounds a value must keep, such as `> 0, < 0.9`."""
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = [
        f"{sign} {getattr(rule, key):g}" for rule in field.metadata for key, sign in signs.items() if hasattr(rule, key)
    ]
    return ", ".join(bounds)


def default_of(field: Any) -> str:
    """The default as one would type it; empty where leaving it out has a meaning of its own."""
    default = field.get_default(call_default_factory=True)
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return "yes" if default else "no"
    if kind_of(field) == "duration":
        return f"`{default / 60:g}m`"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def plan_reference() -> str:
    """The page of all choices, section by section."""
    from metier.plan import Plan, fields

    parts = [
        NOTE,
        "# The plan",
        "Every choice of a run. A flag is its choice's name with dashes (`--time-limit`), in Python it is an argument\n"
        '(`metier.tune(..., time_limit="2m")`). An empty default means that metier decides from the data, as the\n'
        "description says. Durations are `90s`, `10m`, `1.5h` or `none`. A choice that is unknown or out of range is\n"
        "refused before anything is read, all such problems together.",
    ]
    sections: dict[str, list[tuple[str, Any]]] = {}
    for section, name, field in fields():
        sections.setdefault(section or "", []).append((name, field))
    for section, rows in sections.items():
        if section:
            about = (Plan.model_fields[section].annotation.__doc__ or "").strip()
            parts.append(f"## {section}\n\n{about}")
        else:
            parts.append("## The run itself")
        lines = ["| choice | type | range | default | what it does |", "| --- | --- | --- | --- | --- |"]
        for name, field in rows:
            what = str(field.description).replace("|", "\\|")
            lines.append(f"| `{name}` | {kind_of(field)} | {range_of(field)} | {default_of(field)} | {what} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """All generated pages by file name."""
    from metier.cli import main

    return {"command-line.md": command_line(main), "plan.md": plan_reference()}


def outdated(folder: Path = HERE) -> list[str]:
    """Names of pages whose file is not what the code gives."""
    found = []
    for name, text in pages().items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            found.append(name)
    return found


def run(arguments: list[str]) -> int:
    """Write the pages, or with --check only say which are out of date."""
    stale = outdated()
    if "--check" in arguments:
        if stale:
            print(f"out of date: {', '.join(stale)}. Next: make docs", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (HERE / name).write_text(pages()[name], encoding="utf-8")
    print(f"{len(pages())} generated pages, {len(stale)} written anew")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
