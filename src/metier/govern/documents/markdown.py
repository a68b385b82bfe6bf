"""A document as Markdown, the form that is kept under version control; texts of unknown origin are escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

# What would begin or change formatting anywhere in a line (CommonMark and GitHub's tables).
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~$&!])")
# What would begin a list, a quotation or a rule at the start of one.
_START = re.compile(r"^(\s*)(?:([-+=])|(\d+)([.)])(?=\s))", re.MULTILINE)


def markdown(
    title: str, lead: str, facts: Sequence[tuple[str, str]], parts: Sequence[dict[str, Any]], front: str
) -> str:
    """The whole document; `front` is YAML for the front matter, empty for none."""
    head = f"---\n{front.strip()}\n---\n\n" if front else ""
    lines = [
        f"# {escaped(title)}",
        escaped(lead),
        "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in facts),
    ]
    for part in parts:
        lines.append(f"## {escaped(part['title'])}")
        lines += [escaped(part["lead"])] if part["lead"] else []
        lines += [block for one in part["blocks"] if (block := _block(one))]
    return head + "\n\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """Text that Markdown shows as it is; paragraphs become line breaks.

    >>> escaped("a_b | *c*")
    'a\\\\_b \\\\| \\\\*c\\\\*'
    """
    safe = _START.sub(_guarded, _SPECIAL.sub(r"\\\1", text.replace("\r\n", "\n").replace("\r", "\n").strip()))
    return re.sub(r"\s*\n\s*", "<br>", safe)


def _guarded(match: re.Match[str]) -> str:
    return f"{match[1]}\\{match[2]}" if match[2] else f"{match[1]}{match[3]}\\{match[4]}"


def _block(block: dict[str, Any]) -> str:
    if block["kind"] == "prose":
        return _cell(block["cell"])
    if block["kind"] == "facts":
        return "\n".join(f"- **{escaped(name)}**: {_cell(cell)}" for name, cell in block["rows"])
    return "\n".join(_table(block))


def _table(block: dict[str, Any]) -> Iterator[str]:
    yield f"| {' | '.join(escaped(column) for column in block['columns'])} |"
    yield f"|{' --- |' * len(block['columns'])}"
    for at, row in enumerate(block["rows"]):
        anchor = f'<a id="{block["ids"][at]}"></a>' if block["ids"] else ""
        yield f"| {anchor}{' | '.join(_cell(cell) for cell in row)} |"


def _cell(cell: Sequence[dict[str, Any]]) -> str:
    return " ".join(_piece(piece) for piece in cell)


def _piece(piece: dict[str, Any]) -> str:
    if piece["kind"] == "asked":
        return f"**Question for {escaped(piece['for'])}** (`{piece['id']}`): {escaped(piece['text'])}"
    if piece["kind"] == "lacking":
        return f"**Missing** (`{piece['id']}`): {escaped(piece['text'])} Next: `{piece['fix']}`"
    signed = f" — {escaped(piece['by'])}" if piece["by"] else ""
    return escaped(piece["text"]) + signed + "".join(f" [\\[{number}\\]](#e{number})" for number in piece["refs"])
