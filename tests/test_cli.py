"""The command line end to end, within this process: what stdout holds, exit codes, flags that all commands take."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest

INTERVAL = {"value", "low", "high"}
ANSWER = {"prediction", "confidence", "abstain"}


def is_share(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value <= 1


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --------------------------------------------------------------------------------------------------------------- tune


def test_tune_answers_with_one_object_of_the_keys_relied_on(finished: Any) -> None:
    found = finished.answer.json
    assert {
        "expert", "run", "report", "task", "base", "chosen", "metric", "rungs", "validation", "test", "seconds",
        "peak_memory_mib",
    } <= set(found)  # fmt: skip
    assert (found["task"], found["chosen"], found["metric"]) == ("text-classification", "adapter", "accuracy")
    assert found["base"]["name"] == "tiny"
    assert len(found["base"]["sha256"]) == 64
    assert found["seconds"] > 0
    assert found["peak_memory_mib"] > 50
    for path in ("run", "expert"):
        assert Path(found[path]).is_dir()
    assert Path(found["report"]).is_file()


def test_tune_tells_every_rung_and_what_it_gained(finished: Any) -> None:
    rungs = finished.answer.json["rungs"]
    assert [rung["name"] for rung in rungs] == ["majority", "linear", "generic", "frozen", "adapter", "full"]
    for rung in rungs:
        assert {"name", "validation", "gain", "seconds", "taken", "reason"} <= set(rung)
        assert isinstance(rung["taken"], bool)
        assert rung["reason"]
        assert all(is_share(value) for value in rung["validation"].values())
    floor, *tried, untried = rungs
    assert floor["gain"] is None
    assert untried["gain"] is None
    assert untried["validation"] == {}
    for rung in tried:
        assert {"over", "points", "low", "high"} <= set(rung["gain"])
        assert rung["gain"]["low"] <= rung["gain"]["points"] <= rung["gain"]["high"]
        assert {"accuracy", "macro_f1"} <= set(rung["validation"])


def test_tune_gives_each_figure_its_interval_on_validation_and_test(finished: Any) -> None:
    found = finished.answer.json
    for part in ("validation", "test"):
        assert {"accuracy", "macro_f1", "weighted_f1", "mcc", "log_loss", "ece"} <= set(found[part])
        for name, figure in found[part].items():
            assert set(figure) >= INTERVAL, name
            assert figure["low"] <= figure["value"] <= figure["high"], name
    assert found["validation"]["accuracy"] != found["test"]["accuracy"]


def test_progress_goes_to_stderr_and_json_to_one_line_of_stdout(finished: Any) -> None:
    assert finished.answer.out.count("\n") == 1
    assert "adapter: accuracy" in finished.answer.err
    assert "\x1b" not in finished.answer.out + finished.answer.err


def test_what_json_says_is_what_the_run_recorded(finished: Any) -> None:
    recorded = json.loads((finished.run / "evaluation.json").read_text(encoding="utf-8"))
    said = finished.answer.json
    assert {key: value for key, value in recorded.items() if key in said} == {
        key: value for key, value in said.items() if key not in ("expert", "run", "report")
    }


def test_output_leaves_a_whole_expert_there(finished: Any, metier: Any) -> None:
    assert finished.answer.json["expert"] == str(finished.output)
    inside = {path.name for path in (finished.run / "expert").iterdir()}
    assert {path.name for path in finished.output.iterdir()} == inside
    assert {"adapter_model.safetensors", "adapter_config.json", "metier.json", "manifest.json"} <= inside
    assert metier("verify", finished.output, "--json").json["ok"] is True


def test_tune_tells_a_person_in_plain_text(metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--rung", "linear", "--quiet"]
    answer = metier(*words, "--workspace", tmp_path / "home")
    assert answer.code == 0
    assert answer.err == ""
    assert "\x1b" not in answer.out
    assert "> linear" in answer.out
    assert re.search(r"validation: accuracy \d\.\d{4} \(\d\.\d{4} to \d\.\d{4}\)", answer.out)
    report = re.search(r"^report: (.+)$", answer.out, re.MULTILINE)
    assert report is not None
    assert Path(report[1]).is_file()


def test_a_metric_of_ones_own_is_what_the_ladder_climbs_on(
    metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Worst for whoever is right: nothing that learns can be better than the floor, which is right once in four.
    source = "def wrong(truth, predicted):\n    return sum(a != b for a, b in zip(truth, predicted)) / len(truth)\n"
    (tmp_path / "contrary_house_metric.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--json", "--workspace", tmp_path / "home"]
    found = metier(*words, "--metric", "contrary_house_metric:wrong", "--time-limit", "30s", "--epochs", 1).json
    assert found["metric"] == "contrary_house_metric:wrong"
    assert found["chosen"] in ("majority", "generic")  # a random base's label names may be wrong more often still
    linear = next(rung for rung in found["rungs"] if rung["name"] == "linear")
    assert linear["taken"] is False
    assert linear["gain"]["high"] < 0
    assert set(found["validation"]["contrary_house_metric:wrong"]) >= INTERVAL


def test_a_metric_that_is_not_there_is_told(metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--json", "--workspace", tmp_path / "home"]
    answer = metier(*words, "--metric", "no_such_house_module:f")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "no-such-metric"


# -------------------------------------------------------------------------------------------------- evaluate, inspect


def test_evaluate_gives_the_figures_that_tune_gave_for_the_same_rows(finished: Any, metier: Any) -> None:
    words = ["--only", "calibration", "--workspace", finished.workspace]
    answer = metier("evaluate", finished.output, finished.test, "--json", *words)
    found = answer.json
    assert {"rows", "metrics", "generic", "gain", "calibration"} <= set(found)
    assert found["rows"] == 40
    assert {name: figure["value"] for name, figure in found["metrics"].items()} == pytest.approx(
        {name: figure["value"] for name, figure in finished.answer.json["test"].items()}, abs=1e-5
    )
    assert set(found["generic"]) == set(found["metrics"])
    assert all(set(figure) >= INTERVAL for figure in found["generic"].values())
    assert {"metric", "over", "points", "low", "high"} <= set(found["gain"])
    assert is_share(found["calibration"]["ece"])


def test_evaluate_tells_a_person_the_gain(finished: Any, metier: Any) -> None:
    words = ["--only", "calibration", "--workspace", finished.workspace]
    answer = metier("evaluate", finished.output, finished.test, *words)
    assert "gain in accuracy over the generic base" in answer.out
    assert "\x1b" not in answer.out


def test_evaluate_without_the_right_answers_says_which_column_is_missing(
    finished: Any, metier: Any, tmp_path: Path
) -> None:
    data = tmp_path / "bare.csv"
    data.write_text("text,channel\nmy card is broken,mail\nwhat is the fee,phone\n")
    answer = metier("evaluate", finished.output, data, "--json", "--workspace", tmp_path / "home")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "no-labels"
    assert "'intent'" in answer.json["error"]["problem"]


def test_inspect_has_the_keys_relied_on(metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    words = ["inspect", ticket_file, "--base", tiny_base, "--workspace", tmp_path / "home"]
    found = metier(*words, "--json").json
    assert {"rows", "columns", "target", "task", "labels", "problems"} <= set(found)
    assert (found["rows"], found["target"], found["task"]) == (240, "intent", "text-classification")
    assert [(column["name"], column["role"]) for column in found["columns"]] == [("text", "text"), ("intent", "target")]
    assert {entry["label"]: entry["rows"] for entry in found["labels"]} == dict.fromkeys(
        ("card", "transfer", "login", "fees"), 60
    )
    told = metier(*words)
    assert told.code == 0
    assert "240 rows; task: text-classification" in told.out
    assert "\x1b" not in told.out


# --------------------------------------------------------------------------------------------------------------- curate


@pytest.fixture
def dirty(ticket_file: Path) -> Path:
    """240 easy tickets, then an exact copy of the first, one with an address, one without a text."""
    rows = rows_of(ticket_file)
    rows += [rows[0], {"text": "write to jo.doe@example.org about my card", "intent": "card"}]
    rows += [{"text": "", "intent": "fees"}]
    with ticket_file.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "intent"])
        writer.writeheader()
        writer.writerows(rows)
    return ticket_file


def test_curate_has_the_keys_relied_on_and_changes_nothing(
    metier: Any, dirty: Path, tiny_base: Path, tmp_path: Path
) -> None:
    words = ["curate", dirty, "--target", "intent", "--base", tiny_base, "--workspace", tmp_path / "home", "--json"]
    answer = metier(*words)
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    found = answer.json
    assert {"rows", "findings", "noise_rate", "summary", "report", "clean"} <= set(found)
    assert found["rows"] == 243
    for one in found["findings"]:
        assert {"kind", "row", "file", "score", "detail", "suggestion", "action"} <= set(one)
        assert one["file"] == str(dirty)
        assert is_share(float(one["score"]))
    told = {(one["kind"], one["row"]) for one in found["findings"]}
    assert {("duplicate", 240), ("personal_data", 241), ("invalid", 242)} <= told
    assert found["summary"]["duplicate"] == sum(kind == "duplicate" for kind, _ in told)
    assert set(found["noise_rate"]) >= INTERVAL
    assert found["noise_rate"]["low"] <= found["noise_rate"]["value"] <= found["noise_rate"]["high"]
    assert Path(found["clean"]).read_bytes() == dirty.read_bytes()
    assert list(found["questions"]) == ["duplicates", "leakage", "labels", "content", "balance", "privacy"]
    assert "jo.doe" not in answer.out + Path(found["report"]).read_text(encoding="utf-8")
    assert metier("verify", found["run"]).code == 0


def test_curate_acts_when_asked_and_tells_a_person_plainly(
    metier: Any, dirty: Path, tiny_base: Path, tmp_path: Path
) -> None:
    words = ["curate", dirty, "--target", "intent", "--base", tiny_base, "--workspace", tmp_path / "home", "--apply"]
    words += ["--only", "duplicates,privacy", "-o", tmp_path / "clean.csv", "--scores", tmp_path / "scores.csv"]
    answer = metier(*words, "--quiet")
    assert (answer.code, answer.err) == (0, "")
    assert "\x1b" not in answer.out
    assert re.search(r"^personal_data +1 +0 +0 +1 +0 +0\.\d\d$", answer.out, re.MULTILINE)
    counts = re.search(r"^rows: (\d+) kept, (\d+) dropped, 1 rewritten, 1 set aside$", answer.out, re.MULTILINE)
    assert counts is not None
    assert int(counts[1]) + int(counts[2]) == 241
    assert f"cleaned: {tmp_path / 'clean.csv'}" in answer.out
    before, after = rows_of(dirty), rows_of(tmp_path / "clean.csv")
    assert len(after) == 243 - int(counts[2])
    assert [row["text"] for row in after[-2:]] == ["write to [EMAIL] about my card", ""]
    assert [row["text"] for row in after].count(before[0]["text"]) == 1
    assert len(rows_of(tmp_path / "scores.csv")) == 243


def test_curate_follows_a_review_and_lists_what_it_could_not(
    metier: Any, dirty: Path, tiny_base: Path, tmp_path: Path
) -> None:
    words = ["curate", dirty, "--target", "intent", "--base", tiny_base, "--workspace", tmp_path / "home"]
    words += ["--only", "duplicates", "--only", "privacy"]
    found = metier(*words, "--json").json
    with Path(found["review_file"]).open(newline="", encoding="utf-8-sig") as file:
        lines = list(csv.DictReader(file))
    for line in lines:
        line["decision"] = "drop" if line["row"] == "241" else "keep"
        line["row"] = "02-Jan" if line["row"] == "242" else line["row"]
    with (tmp_path / "edited.csv").open("w", newline="", encoding="utf-16") as file:
        writer = csv.DictWriter(file, list(lines[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(reversed(lines))
    nameless = metier(*words, "--review", tmp_path / "edited.csv", "--json")
    assert (nameless.code, nameless.json["error"]["code"]) == (1, "no-reviewer")
    told = metier(*words, "--review", tmp_path / "edited.csv", "--reviewer", "Ana", "--quiet")
    assert told.code == 0
    assert "decisions of Ana followed" in told.out
    assert "1 lines of" in told.out
    assert "02-Jan" in told.out
    assert ", 1 dropped," in told.out


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--only", "lables"], "no-such-question"),
        (["--target", "intnet"], "no-such-column"),
        (["-o", "clean.docx"], "unknown-output"),
        (["--review", "nowhere.csv", "--reviewer", "Ana"], "no-such-file"),
        (["--privacy", "email=eat", "--only", "privacy"], None),
    ],
)
def test_curate_tells_what_cannot_be(
    metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path, words: list[str], code: str | None
) -> None:
    given = ["curate", ticket_file, "--base", tiny_base, "--json", "--workspace", tmp_path / "home"]
    given += [] if "--target" in words else ["--target", "intent"]
    answer = metier(*given, *words)
    assert answer.code == 1
    assert set(answer.json["error"]) == {"code", "problem", "found", "fix"}
    assert code is None or answer.json["error"]["code"] == code


# -------------------------------------------------------------------------------------------------------------- predict


def test_predict_writes_the_inputs_columns_and_the_answers_row_by_row(
    finished: Any, metier: Any, tmp_path: Path
) -> None:
    data, out = tmp_path / "new.csv", tmp_path / "out" / "answers.csv"
    with data.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [
                ["id", "text", "note"],
                ["7", "my card does not work 11", 'says "hi", twice'],
                ["8", "", "no text"],
                ["9", "   ", "blank"],
                ["10", "what about the fee today 3", "é\nnew line"],
                ["11", "my card does not work 11", ""],
            ]
        )
    answer = metier("predict", finished.output, data, "-o", out, "--json", "--workspace", tmp_path / "home")
    assert answer.code == 0
    assert answer.json == {"rows": 5, "output": str(out)}
    rows = rows_of(out)
    assert list(rows[0]) == ["id", "text", "note", "prediction", "confidence", "abstain"]
    assert [row["id"] for row in rows] == ["7", "8", "9", "10", "11"]
    assert [row["note"] for row in rows][::3] == ['says "hi", twice', "é\nnew line"]
    for row in rows[1:3]:
        assert (row["prediction"], row["abstain"]) == ("", "true")
    assert {row["prediction"] for row in (rows[0], rows[3])} <= {"card", "transfer", "login", "fees"}
    assert 0 < float(rows[0]["confidence"]) <= 1
    same = ("prediction", "confidence", "abstain")
    assert [rows[0][name] for name in same] == [rows[4][name] for name in same]


@pytest.mark.parametrize("ending", [".tsv", ".jsonl", ".parquet"])
def test_predict_writes_other_forms_too(finished: Any, metier: Any, tmp_path: Path, ending: str) -> None:
    import polars

    out = tmp_path / f"answers{ending}"
    assert metier("predict", finished.output, finished.test, "-o", out, "--workspace", tmp_path / "home").code == 0
    read = {".jsonl": polars.read_ndjson, ".parquet": polars.read_parquet}
    found = polars.read_csv(out, separator="\t") if ending == ".tsv" else read[ending](out)
    assert found.columns == ["text", "intent", "prediction", "confidence", "abstain"]
    assert found["text"].to_list() == [row["text"] for row in rows_of(finished.test)]


def test_predict_answers_json_lines_on_stdout(finished: Any, metier: Any, tmp_path: Path) -> None:
    answer = metier("predict", finished.output, finished.test, "--workspace", tmp_path / "home")
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert len(lines) == 40
    assert all(set(line) == ANSWER for line in lines)
    assert all(is_share(line["confidence"]) and line["abstain"] is False for line in lines)


def test_predict_where_no_row_has_a_text_abstains_from_all(finished: Any, metier: Any, tmp_path: Path) -> None:
    data, out = tmp_path / "empty.csv", tmp_path / "out.csv"
    data.write_text("id,text\n1,\n2,\n3,  \n")
    assert metier("predict", finished.output, data, "-o", out, "--workspace", tmp_path / "home").code == 0
    assert [(row["id"], row["prediction"], row["abstain"]) for row in rows_of(out)] == [
        (number, "", "true") for number in "123"
    ]


def test_predict_answers_rows_whatever_their_label_column_says(finished: Any, metier: Any, tmp_path: Path) -> None:
    data = tmp_path / "half.csv"
    data.write_text("text,intent\nmy card is wrong again,\nwhy is the fee like this,never trained on\n")
    answer = metier("predict", finished.output, data, "--workspace", tmp_path / "home")
    assert answer.code == 0
    assert [json.loads(line)["prediction"] is not None for line in answer.out.splitlines()] == [True, True]


def test_predict_reads_lines_or_json_lines_from_stdin(finished: Any, metier: Any) -> None:
    texts = [row["text"] for row in rows_of(finished.test)][:3]
    plain = metier("predict", finished.output, "-", stdin="\n".join(texts) + "\n")
    objects = metier("predict", finished.output, "-", stdin="".join(json.dumps({"text": t}) + "\n" for t in texts))
    assert plain.code == objects.code == 0
    assert len(plain.out.splitlines()) == 3
    assert plain.out == objects.out


def test_an_empty_line_of_stdin_keeps_its_place(finished: Any, metier: Any) -> None:
    answer = metier("predict", finished.output, "-", stdin="my card 1\n\nthe fee 2\n")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert [line["prediction"] is None for line in found] == [False, True, False]
    assert found[1]["abstain"] is True
    assert metier("predict", finished.output, "-", stdin="").out == ""


def test_a_broken_json_line_is_told_by_its_number(finished: Any, metier: Any) -> None:
    answer = metier("predict", finished.output, "-", "--json", stdin='{"text": "a"}\nnot json\n')
    assert answer.code == 1
    assert answer.json["error"]["code"] == "bad-json-line"
    assert "line 2" in answer.json["error"]["found"]


def test_whether_lines_are_json_is_decided_once(finished: Any, metier: Any) -> None:
    lines = ["a plain text"] * 600
    lines[512] = "{not json, but a text"
    answer = metier("predict", finished.output, "-", stdin="\n".join(lines))
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 600
    assert metier("predict", finished.output, "-", "--json", stdin='{"text": "a"}\n5\n').code == 1


def test_bytes_of_stdin_that_are_no_utf8_are_still_answered(finished: Any, metier: Any) -> None:
    answer = metier("predict", finished.output, "-", stdin=b"\xef\xbb\xbfmy caf\xe9 card\r\nthe fee\r\n")
    assert answer.code == 0
    assert len(answer.out.splitlines()) == 2


def test_an_output_of_unknown_form_is_refused_before_anything_is_read(finished: Any, metier: Any) -> None:
    answer = metier("predict", finished.output, "nowhere.csv", "-o", "answers.docx", "--json")
    assert answer.code == 1
    assert answer.json["error"]["code"] == "unknown-output"


def test_a_wished_precision_makes_unsure_rows_abstain(
    metier: Any, tiny_base: Path, tmp_path: Path, ticket_file: Path
) -> None:
    rows = rows_of(ticket_file)
    # Half of what is said of logins and fees is the other's label: nobody can be sure of those, but of the rest.
    other = {"login": "fees", "fees": "login"}
    labels = [other.get(row["intent"], row["intent"]) if at % 8 > 3 else row["intent"] for at, row in enumerate(rows)]
    lines = [f"{row['text']},{label}" for row, label in zip(rows, labels, strict=True)]
    data = tmp_path / "noisy.csv"
    data.write_text("\n".join(["text,intent", *lines]) + "\n")
    words = ["tune", data, "--target", "intent", "--base", tiny_base, "--rung", "linear", "--precision", "0.9"]
    found = metier(*words, "--json", "--workspace", tmp_path / "home").json
    answer = metier("predict", found["expert"], data, "--workspace", tmp_path / "home")
    answers = [json.loads(line) for line in answer.out.splitlines()]
    abstained = [line for line in answers if line["abstain"]]
    assert 0 < len(abstained) < len(answers)
    sure = min(line["confidence"] for line in answers if not line["abstain"])
    assert all(line["confidence"] < sure for line in abstained)


# ----------------------------------------------------------------------------------------- what all commands have alike


def test_verify_answers_yes_for_a_fresh_run_and_for_its_expert(finished: Any, metier: Any) -> None:
    for folder in (finished.run, finished.run / "expert"):
        answer = metier("verify", folder, "--json", "--base", finished.base)
        assert answer.code == 0
        assert {"ok", "problem", "record", "notes"} <= set(answer.json)
        assert answer.json["ok"] is True
        assert answer.json["problem"] == ""
    assert "files are what was recorded" in metier("verify", finished.run).out


def test_doctor_answers_with_its_checks(metier: Any, tmp_path: Path) -> None:
    answer = metier("doctor", "--json", "--workspace", tmp_path)
    assert answer.code == 0
    assert isinstance(answer.json["ok"], bool)
    assert all({"name", "ok", "found", "fix"} <= set(check) for check in answer.json["checks"])


def test_demo_tunes_the_bundled_tickets_and_answers_three(metier: Any, tmp_path: Path) -> None:
    answer = metier("demo", "--rung", "linear", "--json", "--workspace", tmp_path / "home")
    found = answer.json
    assert answer.code == 0
    assert found["chosen"] == "linear"
    assert found["test"]["accuracy"]["value"] > 0.7
    assert len(found["predictions"]) == 3
    assert all({"text", *ANSWER} <= set(line) for line in found["predictions"])


COMMANDS = [
    "demo",
    "inspect",
    "curate",
    "bases",
    "compare",
    "tune",
    "evaluate",
    "explain",
    "export",
    "predict",
    "verify",
    "doctor",
    "release",
    "approve",
    "rollback",
    "history",
    "ethics",
    "documents",
    "forget",
    "pack",
    "serve",
]
GROUPS = ["data", "findings", "keys", "ledger", "people", "releases"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_common_flags(metier: Any, command: str) -> None:
    shown = metier(command, "--help")
    assert shown.code == 0
    for flag in ("--workspace DIR", "--json", "--quiet", "--seed N"):
        assert flag in shown.out, (command, flag)


def test_these_are_all_commands() -> None:
    from metier.cli import main

    assert sorted(main.commands) == sorted([*COMMANDS, *GROUPS])


@pytest.mark.parametrize(
    "words", [["tune"], ["nonsense"], ["tune", "x.csv", "--no-such-flag"], ["tune", "x.csv", "--header", "maybe"]]
)
def test_wrong_usage_exits_with_2(metier: Any, words: list[str]) -> None:
    answer = metier(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert "Usage:" in answer.err


def test_an_error_has_three_parts_as_json_and_in_words(metier: Any, tmp_path: Path) -> None:
    words = ["tune", tmp_path / "nothing.csv", "--workspace", tmp_path / "home"]
    as_json = metier(*words, "--json")
    assert as_json.code == 1
    assert set(as_json.json) == {"error"}
    assert set(as_json.json["error"]) == {"code", "problem", "found", "fix"}
    told = metier(*words)
    assert told.code == 1
    assert told.out == ""
    assert told.err.startswith("metier: ")
    assert "\nFound: " in told.err
    assert "\nNext: " in told.err


def test_the_workspace_is_the_one_named_or_else_of_the_environment(
    metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METIER_HOME", str(tmp_path / "from-environment"))
    monkeypatch.chdir(tmp_path)
    words = ["inspect", ticket_file, "--base", tiny_base, "--json"]
    assert metier(*words, "--workspace", "named").code == 0
    assert (tmp_path / "named" / "cache").is_dir()
    assert not (tmp_path / "from-environment").exists()
    assert metier(*words).code == 0
    assert (tmp_path / "from-environment" / "cache").is_dir()
    monkeypatch.delenv("METIER_HOME")
    assert metier(*words).code == 0
    assert (tmp_path / "metier" / "cache").is_dir()


def test_figures_that_cannot_be_told_are_null_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from metier.cli_options import Screen

    answer = {"a": np.float32("nan"), "b": np.float64("inf"), "c": np.float32(0.5), "d": Path("x/y"), 1: np.int64(3)}
    Screen(True, True).show(answer, lambda: None)
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": None, "c": 0.5, "d": "x/y", "1": 3}
