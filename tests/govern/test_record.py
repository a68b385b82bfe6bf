from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier import files
from metier.errors import RecordError
from metier.govern import record
from metier.trunk import base
from metier.workspace import Workspace

FILES = {
    "key.json": b'{"key": "k"}',
    "data.json": b'{"source": {"path": "nowhere.csv", "sha256": "00"}, "rows": 3}',
    "split.json": b'{"train": [0, 1], "validation": [2]}',
    "plan.json": b'{"seed": 0}',
    "environment.json": b'{"python": "3.11"}',
    "rungs/adapter/metrics.json": b'{"accuracy": 0.9}',
    "rungs/frozen/head.safetensors": bytes(range(256)) * 4,
    "rungs/frozen/metrics.json": b'{"accuracy": 0.8}',
    "expert/metier.json": b'{"task": "text"}',
    "expert/head.safetensors": bytes(range(255, -1, -1)) * 4,
    "evaluation.json": b'{"accuracy": 0.85}',
    "report.html": b"<html>85%</html>",
    "card.md": b"# card",
    "notes/empty": b"",
}


def a_run(folder: Path) -> Path:
    for name, content in FILES.items():
        files.write_bytes(folder / name, content, durable=False)
    record.seal_expert(folder / "expert")
    record.seal(folder)
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(pristine: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pristine, tmp_path / "run")


# -------------------------------------------------------------------------------------------------------- the chain


def test_an_untouched_run_verifies_and_says_how_many_files_it_checked(run: Path) -> None:
    verdict = record.verify(run)
    assert verdict.ok
    assert verdict.problem == ""
    assert verdict.checked == len(FILES) + 1
    assert json.loads(json.dumps(verdict.as_json()))["record"] == files.read_json(run / "done.json")


def test_the_order_is_that_of_the_work(run: Path) -> None:
    paths = [entry["path"] for entry in files.read_json(run / "done.json")["files"]]
    assert paths == [
        "key.json",
        "data.json",
        "split.json",
        "plan.json",
        "environment.json",
        "rungs/adapter/metrics.json",
        "rungs/frozen/head.safetensors",
        "rungs/frozen/metrics.json",
        "expert/head.safetensors",
        "expert/manifest.json",
        "expert/metier.json",
        "evaluation.json",
        "card.md",
        "notes/empty",
        "report.html",
    ]


def test_the_chain_can_be_recomputed_from_its_description_alone(run: Path) -> None:
    done = files.read_json(run / "done.json")
    link = hashlib.sha256(done["format"].encode()).hexdigest()
    for entry in done["files"]:
        content = (run / entry["path"]).read_bytes()
        assert entry["bytes"] == len(content)
        sha256 = hashlib.sha256(content).hexdigest()
        link = hashlib.sha256(f"{link}\n{sha256}\n{entry['path']}".encode()).hexdigest()
        assert entry["link"] == link
    assert done["root"] == link


def test_the_root_a_report_can_print_is_a_link_of_the_finished_chain(tmp_path: Path) -> None:
    for name in ("key.json", "data.json", "evaluation.json", "explanation.json", "zz"):
        files.write_text(tmp_path / name, name)
    before = record.chain(tmp_path)
    files.write_text(tmp_path / "report.html", f"root {before['root']}")
    done = record.seal(tmp_path)
    assert before["root"] == done["files"][-2]["link"]
    assert done["files"][-1]["path"] == "report.html"


def test_the_same_files_give_the_same_record(tmp_path: Path) -> None:
    one, other = a_run(tmp_path / "one"), a_run(tmp_path / "other")
    assert (one / "done.json").read_bytes() == (other / "done.json").read_bytes()


def test_locks_and_what_killed_writers_left_are_no_evidence(tmp_path: Path) -> None:
    with Workspace(tmp_path / "metier").open_run("k", "name") as run:
        files.write_text(run.folder / "plan.json", "{}")
        files.write_json(run.folder / "elapsed.json", {"seconds": 1})
        (run.folder / f"{files.TEMPORARY}left").write_text("half")
        done = record.seal(run.folder)
        assert [entry["path"] for entry in done["files"]] == ["key.json", "plan.json"]
        assert record.verify(run.folder).ok
    assert record.verify(run.folder).ok


def test_the_clock_of_a_run_may_write_while_the_record_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("key.json", "plan.json"):
        files.write_json(tmp_path / name, {})
    listed = record._listed

    def writing(folder: Path) -> Iterator[str]:
        # What the clock's thread was just writing is listed, and gone before it can be read.
        yield f"{files.TEMPORARY}0123456789abcdef"
        yield from listed(folder)

    with monkeypatch.context() as patched:
        patched.setattr(record, "_listed", writing)
        record.seal(tmp_path)
    assert record.verify(tmp_path).ok


def test_looking_into_the_folder_with_a_file_manager_changes_nothing(run: Path) -> None:
    (run / "rungs" / ".DS_Store").write_bytes(b"\x00")
    assert record.verify(run).ok


@settings(deadline=None, max_examples=20)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="/\x00", codec="utf-8"), min_size=1, max_size=20), max_size=6
    )
)
def test_any_file_names_can_be_sealed_and_verified(names: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    (folder / "plan.json").write_text("{}")
    for name in names:
        if name not in (".", "..", "done.json"):
            (folder / name).write_text(name)
    record.seal(folder)
    assert record.verify(folder).ok


def test_a_name_that_is_no_text_can_be_sealed_and_verified(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    record.seal(tmp_path)
    assert record.verify(tmp_path).ok


# -------------------------------------------------------------------------------------------------------- tampering


Names = tuple[str, ...]


def _edit(run: Path, names: Names, rng: random.Random) -> Names:
    name = rng.choice(names)
    content = bytearray((run / name).read_bytes() or b"x")
    content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
    (run / name).write_bytes(content)
    return (name,)


def _truncate(run: Path, names: Names, rng: random.Random) -> Names:
    name = rng.choice([name for name in names if name != "notes/empty"])
    os.truncate(run / name, rng.randrange((run / name).stat().st_size))
    return (name,)


def _extend(run: Path, names: Names, rng: random.Random) -> Names:
    name = rng.choice(names)
    with (run / name).open("ab") as file:
        file.write(rng.choice([b"\n", b" ", b"\x00", b"}"]))
    return (name,)


def _delete(run: Path, names: Names, rng: random.Random) -> Names:
    name = rng.choice(names)
    (run / name).unlink()
    return (name,)


def _add(run: Path, names: Names, rng: random.Random) -> Names:
    folder = rng.choice(["", "rungs/", "expert/", "new/", "notes/"])
    name = folder + rng.choice(
        ["added.json", f"{files.TEMPORARY}x", ".hidden", "lock.json", "zz", "adapter.safetensors"]
    )
    (run / name).parent.mkdir(exist_ok=True)
    (run / name).write_bytes(rng.choice([b"", b"{}", b"x" * 100]))
    return (name,)


def _rename(run: Path, names: Names, rng: random.Random) -> Names:
    name = rng.choice(names)
    new = name + rng.choice(["2", ".bak", "~"])
    (run / name).rename(run / new)
    return name, new


def _swap(run: Path, names: Names, rng: random.Random) -> Names:
    one, other = rng.sample(names, 2)
    a, b = (run / one).read_bytes(), (run / other).read_bytes()
    (run / one).write_bytes(b)
    (run / other).write_bytes(a)
    return one, other


def _entries(run: Path, names: Names, rng: random.Random) -> Names:
    """Rewrite done.json as a clever hand would: an entry dropped, doubled, moved, or a field of one replaced."""
    done = json.loads((run / "done.json").read_bytes())
    entries = done["files"]
    at, to = rng.sample(range(len(entries)), 2)
    kind = rng.randrange(5)
    if kind == 0:
        del entries[at]
    elif kind == 1:
        entries.insert(to, dict(entries[at]))
    elif kind == 2:
        entries[at], entries[to] = entries[to], entries[at]
    elif kind == 3:
        field = rng.choice(["path", "sha256", "link"])
        entries[at][field] = entries[to][field]
    else:
        entries[at]["bytes"] += rng.choice([-1, 1])
    (run / "done.json").write_bytes(files.pretty(done))
    return ("done.json",)


TAMPERS = [_edit, _edit, _truncate, _extend, _delete, _add, _rename, _swap, _entries]


def test_two_thousand_random_tampers_are_all_found_and_the_touched_file_is_named(run: Path) -> None:
    original = {path.relative_to(run).as_posix(): path.read_bytes() for path in run.rglob("*") if path.is_file()}
    names = tuple(sorted(original))
    for seed in range(2000):
        rng = random.Random(seed)
        touched = rng.choice(TAMPERS)(run, names, rng)
        verdict = record.verify(run)
        assert not verdict.ok, (seed, touched)
        if "done.json" not in touched:
            assert verdict.first in touched, (seed, touched, verdict)
            assert verdict.first in verdict.problem, (seed, touched, verdict)
        for name in touched:
            if name in original:
                (run / name).write_bytes(original[name])
            else:
                (run / name).unlink()
    assert record.verify(run).ok


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (lambda run: (run / "split.json").write_bytes(b"{}"), "split.json was altered: 2 bytes instead of 36."),
        (lambda run: (run / "plan.json").unlink(), "plan.json is missing."),
        (lambda run: (run / "plan.json").rename(run / "a.json"), "plan.json is missing: it was renamed to a.json."),
        (lambda run: (run / "x").write_text(""), "x was added: the record does not know it."),
        (lambda run: (run / "done.json").unlink(), "done.json is missing: the work was never finished"),
        (lambda run: (run / "done.json").write_text("{"), "done.json cannot be read as a record"),
        (lambda run: (run / "done.json").write_text('{"a": 1}'), "it is not a metier-record-1"),
    ],
)
def test_what_differs_is_said_in_plain_words(run: Path, tamper: object, words: str) -> None:
    tamper(run)  # type: ignore[operator]
    problem = record.verify(run).problem
    assert words in problem


def test_of_two_changes_the_earlier_in_the_work_is_named(run: Path) -> None:
    (run / "report.html").write_text("better")
    (run / "split.json").write_text("other")
    assert record.verify(run).first == "split.json"


def test_two_files_exchanged_are_called_that(run: Path) -> None:
    one, other = run / "rungs/frozen/metrics.json", run / "rungs/adapter/metrics.json"
    content = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(content)
    verdict = record.verify(run)
    assert verdict.first == "rungs/adapter/metrics.json"
    assert "recorded for rungs/frozen/metrics.json" in verdict.problem


def test_entries_moved_with_their_links_made_right_are_still_out_of_order(run: Path) -> None:
    done = files.read_json(run / "done.json")
    done["files"][1], done["files"][3] = done["files"][3], done["files"][1]
    link = hashlib.sha256(done["format"].encode()).hexdigest()
    for entry in done["files"]:
        link = hashlib.sha256(f"{link}\n{entry['sha256']}\n{entry['path']}".encode()).hexdigest()
        entry["link"] = link
    done["root"] = link
    (run / "done.json").write_bytes(files.pretty(done))
    verdict = record.verify(run)
    assert "reordered" in verdict.problem
    assert not verdict.ok


def test_a_record_written_anew_is_found_by_a_root_noted_elsewhere(run: Path) -> None:
    root = files.read_json(run / "done.json")["root"]
    assert record.verify(run, root=root).ok
    (run / "evaluation.json").write_text('{"accuracy": 0.99}')
    record.seal(run)
    assert record.verify(run).ok
    assert "written anew" in record.verify(run, root=root).problem


def test_a_link_to_another_folder_is_found_and_a_pipe_is_never_read(run: Path, tmp_path: Path) -> None:
    (run / "aside").symlink_to(tmp_path)
    assert record.verify(run).first == "aside"
    (run / "aside").unlink()
    (run / "card.md").unlink()
    os.mkfifo(run / "card.md")
    assert "no longer a file" in record.verify(run).problem


# --------------------------------------------------------------------------------------- an expert away from its run


def test_an_expert_verifies_wherever_it_is_copied(run: Path, tmp_path: Path) -> None:
    expert = shutil.copytree(run / "expert", tmp_path / "elsewhere")
    assert record.verify(expert).ok
    assert record.verify(expert).checked == 2
    (expert / "head.safetensors").write_bytes(b"other")
    assert record.verify(expert).first == "head.safetensors"
    (expert / "manifest.json").unlink()
    assert "manifest.json is missing" in record.verify(expert).problem


@pytest.mark.parametrize("made", ["nothing", "file", "folder"])
def test_what_is_neither_run_nor_expert_is_refused(made: str, tmp_path: Path) -> None:
    path = tmp_path / "it"
    if made == "file":
        path.write_text("x")
    if made == "folder":
        path.mkdir()
    with pytest.raises(RecordError) as caught:
        record.verify(path)
    assert caught.value.code == ("no-record" if made == "folder" else "no-such-run")


# --------------------------------------------------------------------------------------------- outside of the folder


def _run_with(folder: Path, **named: object) -> Path:
    for name, value in named.items():
        files.write_json(folder / f"{name}.json", value)
    files.write_text(folder / "plan.json", "{}")
    record.seal(folder)
    return folder


def test_source_data_is_checked_where_it_still_lies_and_only_noted(tmp_path: Path) -> None:
    data = tmp_path / "tickets.csv"
    data.write_text("text,intent\na,b\n")
    source = {"path": str(data), "sha256": files.sha256(data)}
    run = _run_with(tmp_path / "run", data={"source": source, "rows": 1})
    assert record.verify(run).notes == ()
    data.write_text("text,intent\na,c\n")
    changed = record.verify(run)
    assert changed.ok
    assert "changed since" in changed.notes[0]
    data.unlink()
    gone = record.verify(run)
    assert gone.ok
    assert "no longer there" in gone.notes[0]


def test_the_bundled_base_must_be_the_one_recorded(tmp_path: Path) -> None:
    minilm = base.find("minilm").record()
    assert record.verify(_run_with(tmp_path / "right", base=minilm)).ok
    wrong = record.verify(_run_with(tmp_path / "wrong", base={**minilm, "sha256": "0" * 64}))
    assert not wrong.ok
    assert wrong.first == "base.json"
    assert "minilm is not the one that was tuned" in wrong.problem


def test_a_base_of_ones_own_is_checked_when_its_folder_is_named(tmp_path: Path) -> None:
    folder = Path(base.find("minilm").folder)
    recorded = {**base.find("minilm").record(), "name": "own", "source": "folder"}
    run = _run_with(tmp_path / "run", base=recorded)
    unchecked = record.verify(run)
    assert unchecked.ok
    assert "own was not checked" in unchecked.notes[0]
    assert record.verify(run, base=str(folder)).notes == ()
    mine = shutil.copytree(folder, tmp_path / "mine", copy_function=os.symlink)
    (mine / "config.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (mine / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 1.0}))
    assert "not the one that was tuned" in record.verify(run, base=str(mine)).problem


def test_a_merged_expert_is_its_own_base(tmp_path: Path) -> None:
    about = {"base": {**base.find("minilm").record(), "name": "tickets"}, "base_is": "."}
    files.write_json(tmp_path / "metier.json", about)
    record.seal_expert(tmp_path)
    verdict = record.verify(tmp_path)
    assert (verdict.ok, verdict.notes, verdict.checked) == (True, (), 1)


def test_an_expert_of_another_base_says_so(tmp_path: Path) -> None:
    about = {"base": {**base.find("minilm").record(), "sha256": "0" * 64}, "base_is": "minilm"}
    files.write_json(tmp_path / "metier.json", about)
    record.seal_expert(tmp_path)
    assert "not the one that was tuned" in record.verify(tmp_path).problem


def test_a_base_that_is_nowhere_is_noted_and_nothing_is_fetched(tmp_path: Path) -> None:
    run = _run_with(tmp_path / "run", base={"name": "org/model", "sha256": "0" * 64})
    assert "not checked" in record.verify(run, base="org/model").notes[0]
