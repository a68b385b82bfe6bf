"""What people really bring: each gets a clear error with its three parts, exit code 1, and nothing half-written."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tune = Callable[..., Any]
LABELS = ["card", "transfer", "login", "fees"]


def table(rows: list[list[str]], header: tuple[str, ...] = ("text", "intent")) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([header, *rows])
    return out.getvalue().encode()


def easy(count: int = 80) -> list[list[str]]:
    return [[f"a question on my {LABELS[n % 4]}, number {n}", LABELS[n % 4]] for n in range(count)]


@pytest.fixture
def tune(metier: Any, tiny_base: Path, tmp_path: Path) -> Tune:
    """Tune the cheapest rung of words on these bytes; `data` may be a path."""

    def run(data: bytes | Path, *words: object, name: str = "data.csv", target: str | None = "intent") -> Any:
        if isinstance(data, bytes):
            (tmp_path / name).write_bytes(data)
            data = tmp_path / name
        asked = ["--target", target] if target else []
        common = ["--base", tiny_base, "--rung", "linear", "--json", "--workspace", tmp_path / "home"]
        return metier("tune", data, *asked, *common, *words)

    return run


def refused(answer: Any, code: str, home: Path, *, begun: bool = False) -> dict[str, str]:
    """The error, after checking its shape and that nothing looks finished."""
    assert answer.code == 1, answer
    error: dict[str, str] = answer.json["error"]
    assert error["code"] == code, error
    assert set(error) == {"code", "problem", "found", "fix"}
    assert all(error[part] for part in ("problem", "found", "fix")), error
    kept = list(home.glob("runs/*/done.json" if begun else "runs/*"))
    assert not kept, "what is refused at once leaves no run, what broke off later leaves none that looks finished"
    assert not [path for path in home.rglob("*") if path.name.startswith(".metier-tmp")]
    return error


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty-file"),
        (b"\xef\xbb\xbf\n\n", "empty-file"),
        (b"text,intent\n", "header-only"),
        (bytes(range(256)) * 40, "binary-file"),
        (b"text,text,intent\n" + b"a b,c d,x\ne f,g h,y\n" * 20, "duplicate-columns"),
    ],
    ids=["empty", "blank", "header only", "binary", "duplicate names"],
)
def test_a_file_that_is_no_table_is_told(tune: Tune, tmp_path: Path, content: bytes, code: str) -> None:
    refused(tune(content), code, tmp_path / "home")


def test_a_column_that_is_not_there_is_met_with_the_near_one(tune: Tune, tmp_path: Path) -> None:
    error = refused(tune(table(easy()), target="Intnt"), "no-such-column", tmp_path / "home")
    assert "'Intnt'" in error["problem"]
    assert "intent" in error["fix"]


@pytest.mark.parametrize(
    ("labels", "code"),
    [(["same"] * 60, "one-label"), ([f"label {n}" for n in range(60)], "all-distinct"), ([""] * 60, "one-label")],
    ids=["one value", "all distinct", "none"],
)
def test_a_target_that_teaches_nothing_is_told(tune: Tune, tmp_path: Path, labels: list[str], code: str) -> None:
    rows = [[f"a question on this and that, number {n}", label] for n, label in enumerate(labels)]
    answer = tune(table(rows), "--kind", "text-classification")
    assert answer.code == 1
    refused(answer, answer.json["error"]["code"] if labels[0] == "" else code, tmp_path / "home")


def test_no_text_at_all_is_told(tune: Tune, tmp_path: Path) -> None:
    rows = [[" ", label] for _, label in easy()]
    answer = tune(table(rows), "--kind", "text-classification", "--text", "text")
    refused(answer, "nothing-left", tmp_path / "home")


def test_a_class_with_one_example_works_and_is_reported(tune: Tune) -> None:
    answer = tune(table([*easy(), ["once upon a time there was one", "lonely"]]))
    assert answer.code == 0
    labels = json.loads((Path(answer.json["expert"]) / "metier.json").read_text())["target"]["labels"]
    assert "lonely" in labels
    split = json.loads((Path(answer.json["run"]) / "split.json").read_text())
    assert "lonely" in answer.err + json.dumps(split["notes"]) + Path(answer.json["report"]).read_text()


def test_rows_without_text_or_label_are_counted_and_set_aside(tune: Tune) -> None:
    rows = easy()
    rows[3][0], rows[10][0], rows[20][1], rows[21][1], rows[22][1] = "", "   ", "", "NaN", ""
    answer = tune(table(rows))
    assert answer.code == 0
    aside = json.loads((Path(answer.json["run"]) / "data.json").read_text())["set_aside"]
    assert aside == {"empty text": [3, 10], "missing target": [20, 21, 22]}
    assert "2 rows set aside: empty text" in answer.err
    assert "3 rows set aside: missing target" in answer.err
    report = Path(answer.json["report"]).read_text()
    assert "2 rows set aside: empty text" in report


def test_mixed_types_in_the_labels_are_read_as_what_they_say(tune: Tune) -> None:
    kinds = ["1", "2.5", "yes", "2026-01-02"]
    rows = [[f"a question on {kinds[n % 4]} and on number {n}", kinds[n % 4]] for n in range(80)]
    answer = tune(table(rows), "--kind", "text-classification")
    assert answer.code == 0
    labels = json.loads((Path(answer.json["expert"]) / "metier.json").read_text())["target"]["labels"]
    assert sorted(labels) == sorted(kinds)


def test_very_long_texts_and_odd_ones_work(tune: Tune, metier: Any, tmp_path: Path) -> None:
    rows = easy()
    rows[0][0], rows[1][0], rows[2][0] = "card " * 200_000, "🎉 transfer \U0001f44d" * 20, "x" * 50_000
    answer = tune(table(rows), "--rung", "frozen")
    assert answer.code == 0, answer.err
    asked = metier("predict", answer.json["expert"], "-", stdin=f"{rows[0][0]}\n{'y' * 50_000}\n🎉\n")
    assert asked.code == 0
    assert len(asked.out.splitlines()) == 3


def test_labels_with_odd_names_survive_the_whole_way(tune: Tune, metier: Any, tmp_path: Path) -> None:
    odd = ['lost, "stolen"', "<script>alert(1)</script>", "Überweisung/é 你好 🎉", "a\nb"]
    rows = [[f"a question on thing{n % 4} and more, number {n}", odd[n % 4]] for n in range(80)]
    answer = tune(table(rows), "--name", "<b>odd</b>/../name")
    assert answer.code == 0, answer.err
    assert Path(answer.json["run"]).parent == tmp_path / "home" / "runs"
    report = Path(answer.json["report"]).read_text(encoding="utf-8")
    assert "<script>alert" not in report
    assert "<b>odd" not in report
    out = tmp_path / "out.csv"
    assert metier("predict", answer.json["expert"], tmp_path / "data.csv", "-o", out).code == 0
    with out.open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert [row["intent"] for row in found] == [label for _, label in rows]
    right = [row["intent"] == row["prediction"] for row in found]
    assert sum(right) > 70
    assert metier("verify", answer.json["run"]).code == 0


def test_broken_utf8_is_read_or_told(tune: Tune) -> None:
    content = table(easy()).replace(b"number 7", b"n\xc3\x28\xff 7")
    answer = tune(content)
    assert answer.code == 0
    assert "encoding" in (Path(answer.json["run"]) / "data.json").read_text()


def test_a_zip_bomb_is_refused(tune: Tune, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", b"text,intent\n" + b"a" * 80_000_000)
    error = refused(tune(tmp_path / "bomb.zip"), "archive-bomb", tmp_path / "home")
    assert error["found"]


def test_a_test_file_with_labels_never_trained_on_is_told_before_the_climb(tune: Tune, tmp_path: Path) -> None:
    test = tmp_path / "test.csv"
    test.write_bytes(table([*easy(8), ["something new", "novel"]]))
    error = refused(tune(table(easy()), "--test", test), "unknown-labels", tmp_path / "home")
    assert "'novel' (1)" in error["found"]
    assert not list((tmp_path / "home").glob("runs/*/rungs/*"))


def test_a_missing_file_and_a_folder_are_told(tune: Tune, tmp_path: Path) -> None:
    refused(tune(tmp_path / "nothing.csv"), "no-such-file", tmp_path / "home")
    (tmp_path / "folder").mkdir()
    assert tune(tmp_path / "folder").code == 1


# ------------------------------------------------------------------------------------------------------------ the base


def test_a_base_that_is_not_there_is_told(tune: Tune, tmp_path: Path) -> None:
    refused(tune(table(easy()), "--base", tmp_path / "nowhere"), "no-such-base", tmp_path / "home")


@pytest.mark.parametrize(
    ("change", "code"),
    [("pickled", "pickled-weights"), ("gone", "weights-missing"), ("cut", "weights-broken")],
)
def test_a_base_whose_weights_cannot_be_trusted_is_refused(
    tune: Tune, tiny_base: Path, tmp_path: Path, change: str, code: str
) -> None:
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    weights = base / "model.safetensors"
    if change == "cut":
        weights.write_bytes(weights.read_bytes()[:-100])
    else:
        weights.unlink()
    if change == "pickled":
        (base / "pytorch_model.bin").write_bytes(b"\x80\x04}q\x00.")
    refused(tune(table(easy()), "--base", base), code, tmp_path / "home")


# ------------------------------------------------------------------------------------------------------------ the disk


def test_a_workspace_that_cannot_be_written_is_told(metier: Any, ticket_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for home in (tmp_path / "file" / "home", Path("/proc/metier")):
        answer = metier("tune", ticket_file, "--target", "intent", "--json", "--workspace", home)
        assert answer.code == 1
        assert str(home) in answer.json["error"]["found"]
        assert answer.json["error"]["fix"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_workspace_without_permission_is_told(metier: Any, ticket_file: Path, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    answer = metier("tune", ticket_file, "--target", "intent", "--json", "--workspace", locked / "home")
    assert answer.json["error"]["code"] == "no-permission"


@pytest.mark.parametrize("most", [500, 9_000, 30_000])
def test_a_disk_that_takes_no_more_is_told_and_the_run_goes_on_once_it_does(
    tune: Tune, tmp_path: Path, most: int
) -> None:
    data = table(easy(200))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "data.csv").write_bytes(data)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        answer = tune(tmp_path / "data.csv", "-o", tmp_path / "expert")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(answer, "file-too-large", tmp_path / "home", begun=True)
    assert not (tmp_path / "expert").exists()
    begun = list((tmp_path / "home" / "runs").iterdir()) if (tmp_path / "home" / "runs").exists() else []
    again = tune(tmp_path / "data.csv", "-o", tmp_path / "expert")
    assert again.code == 0
    assert [str(folder) for folder in begun] in ([], [again.json["run"]])


def test_answers_that_find_no_room_are_told(finished: Any, metier: Any, tmp_path: Path) -> None:
    answer = metier("predict", finished.output, finished.test, "-o", "/dev/full", "--json")
    assert answer.code == 1
    full = tmp_path / "full.csv"
    full.symlink_to("/dev/full")
    answer = metier("predict", finished.output, finished.test, "-o", full, "--json", "--workspace", tmp_path / "home")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "disk-full"
