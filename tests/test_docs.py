"""The documentation is true: its Python runs, its commands parse, its links lead somewhere, its reference is complete.

Python blocks run in a folder with a small tickets.csv. Where one would tune for minutes the linear rung is taken.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import shlex
from difflib import unified_diff
from pathlib import Path
from types import ModuleType

import click
import pytest

from metier import examples
from metier.cli import main
from metier.plan import fields

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
LABELS = ("card_lost", "login_blocked", "fee_charged", "transfer_pending")


def blocks(language: str) -> list[tuple[str, str]]:
    """(page:line, code) of every block in this language."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in FENCE.finditer(text):
            if match[1] == language:
                found.append((f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}", match[2]))
    return found


def commands() -> list[tuple[str, str]]:
    """(page:line, command) of every line typed at a prompt, continued lines joined, one entry to a pipe's part."""
    found = []
    for where, code in blocks("console"):
        for line in code.replace("\\\n", " ").splitlines():
            if line.startswith("$ "):
                found += [(where, part.strip()) for part in line[2:].split(" | ")]
    return found


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some tickets of four intents, to tune on and to test on, and a workspace all blocks share."""
    folder = tmp_path_factory.mktemp("desk")
    for name, most in (("tickets.csv", 160), ("tickets-test.csv", 40)):
        with examples.path(f"support/{name}").open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["intent"] in LABELS][:most]
        with (folder / name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return folder


@pytest.mark.parametrize(("where", "code"), [pytest.param(*block, id=block[0]) for block in blocks("python")])
def test_python_of_the_documentation_runs(
    where: str, code: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    exec(compile(code.replace('time_limit="2m"', 'rung="linear"'), where, "exec"), {"__name__": "documentation"})
    assert capsys.readouterr().out, f"{where} shows nothing"


@pytest.mark.parametrize(("where", "line"), [pytest.param(*found, id=found[0]) for found in commands()])
def test_commands_of_the_documentation_parse(where: str, line: str) -> None:
    words = shlex.split(line)
    words[0] = words[0].removeprefix(".venv/bin/")
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
        assert words[1] in targets
    elif words[0] == "metier" and words[1:] != ["--help"]:
        group = click.Context(main, info_name="metier", **main.context_settings)
        command = main.get_command(group, words[1])
        assert command is not None, f"{where}: no command {words[1]}"
        if "--help" not in words:
            command.make_context(words[1], words[2:], parent=group)
    else:
        assert words[0] in ("echo", "metier"), f"{where}: {words[0]} is not known to this test"


def test_so_many_blocks_were_found() -> None:
    assert len(blocks("python")) >= 9
    assert len(blocks("json")) >= 11
    assert len(commands()) >= 43


def test_json_of_the_documentation_is_json() -> None:
    for where, code in blocks("json"):
        assert isinstance(json.loads(code), dict), where


def test_every_command_and_every_choice_is_in_the_reference() -> None:
    made = generator().pages()
    names = [name for name, _ in generator().commands(main)]
    assert {"metier tune", "metier inspect", "metier predict"} < set(names)
    assert re.findall(r"^## (.+)$", made["command-line.md"], re.MULTILINE) == names
    choices = re.findall(r"^\| `(\w+)` \|", made["plan.md"], re.MULTILINE)
    assert choices == [name for _, name, _ in fields()]
    assert len(choices) == len(set(choices)) >= 30


def test_generated_pages_are_up_to_date() -> None:
    stale = generator().outdated()
    made = generator().pages()
    for name in stale:
        print(*unified_diff((ROOT / "docs" / name).read_text(encoding="utf-8").splitlines(), made[name].splitlines()))
    assert stale == [], "run make docs"


def test_an_altered_page_counts_as_outdated(tmp_path: Path) -> None:
    made = generator().pages()
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert generator().outdated(tmp_path) == []
    (tmp_path / "plan.md").write_text(made["plan.md"].replace("seed", "sead"), encoding="utf-8")
    assert generator().outdated(tmp_path) == ["plan.md"]


def test_links_lead_to_files() -> None:
    links = [(page, link) for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))]
    assert len(links) >= 15
    missing = [f"{page.name}: {link}" for page, link in links if not (page.parent / link).exists()]
    assert missing == []


def test_every_page_of_docs_is_reached_from_the_readme() -> None:
    texts = [(ROOT / "README.md").read_text(encoding="utf-8")]
    texts += [page.read_text(encoding="utf-8") for page in PAGES if page.parent.name == "docs"]
    linked = {Path(link).name for text in texts for link in LINK.findall(text)}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= linked


def test_every_gate_of_a_policy_is_documented() -> None:
    from metier.govern.policy import Policy

    rows = re.findall(r"^\| (`[^|]+`) \|", (ROOT / "docs" / "governing.md").read_text(encoding="utf-8"), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(Policy.model_fields)
