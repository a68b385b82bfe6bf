"""The whole way: the same plan gives the same weights, whatever cuts it short, and the record says so."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from metier import lifecycle
from metier.errors import ResourceError, UsageError
from metier.files import sha256
from metier.plan import Plan

# Forks a process for each command line it is sent, so that importing torch is paid for once, and tells how each ended.
NURSERY = """
import json, os, signal, sys
import peft, sklearn.linear_model, transformers
import metier.cli, metier.cli_answers, metier.tune.heads, metier.tune.loop, metier.tune.tuned
metier.tune.loop._SECONDS_BETWEEN_CHECKPOINTS = 0
signal.signal(signal.SIGINT, signal.default_int_handler)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if not child:
        for stream, path in ((1, order["out"]), (2, order["err"])):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
        sys.argv = ["metier", *order["words"]]
        metier.cli.main()
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
Moment = Callable[[], bool]


class Nursery:
    """Real processes of the command line, which can be sent signals."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", NURSERY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: list[str], number: int | None = None, when: Moment | None = None) -> tuple[int, str, str]:
        """Exit code (negative for a signal), stdout and stderr of a command, sent signal `number` once `when` holds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        out, err = self.folder / "out", self.folder / "err"
        self.process.stdin.write(json.dumps({"words": words, "out": str(out), "err": str(err)}) + "\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if number is not None and when is not None:
            with suppress(ProcessLookupError):  # it has ended already: its exit code will say so
                while not when():
                    os.kill(child, 0)
                    time.sleep(0.0005)
                os.kill(child, number)
        code = int(self.process.stdout.readline())
        return code, out.read_text(), err.read_text()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    made = Nursery(tmp_path_factory.mktemp("nursery"))
    yield made
    assert made.process.stdin is not None
    assert made.process.stdout is not None
    made.process.stdin.close()
    made.process.wait(30)
    made.process.stdout.close()


def weights(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file of weights in an expert's folder."""
    found = {str(path.relative_to(folder)): sha256(path) for path in sorted(folder.rglob("*.safetensors"))}
    assert {"adapter_model.safetensors", "head.safetensors", "generic/head.safetensors"} <= set(found)
    return found


def elsewhere(words: list[str], place: Path) -> list[str]:
    """The same command with a workspace and an expert's folder of its own."""
    words = list(words)
    words[words.index("--workspace") + 1] = str(place / "home")
    words[words.index("-o") + 1] = str(place / "expert")
    return words


# ------------------------------------------------------------------------------------------- the same, again and again


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_weights(
    finished: Any, nursery: Nursery, tmp_path: Path
) -> None:
    words = elsewhere(finished.words, tmp_path)
    runs = tmp_path / "home" / "runs"

    def appears(pattern: str) -> Moment:
        return lambda: any(runs.glob(f"*/{pattern}"))

    for pattern in ("key.json", "rungs/linear/fit/finished.json", "rungs/adapter/fit/checkpoint.safetensors"):
        code, out, _ = nursery.run(words, signal.SIGKILL, appears(pattern))
        assert (code, out) == (-signal.SIGKILL, ""), pattern
    plain = [word for word in words if word != "--json"]
    code, out, err = nursery.run(plain, signal.SIGINT, appears("rungs/adapter/fit/weights/settings.json"))
    assert code == 130, err
    assert out == ""
    assert "Traceback" not in err
    assert "going on with" in err
    assert err.splitlines()[-1] == f"Next: To go on: {shlex.join(['metier', *plain])}"
    for pattern in ("rungs/adapter/all-rows/weights/head.safetensors", "expert/manifest.json"):
        code, out, _ = nursery.run(words, signal.SIGKILL, appears(pattern))
        assert (code, out) == (-signal.SIGKILL, ""), pattern
        assert not (tmp_path / "expert").exists()

    code, out, err = nursery.run(words)
    assert code == 0, err
    found = json.loads(out)
    assert [str(folder) for folder in runs.iterdir()] == [found["run"]]
    assert weights(Path(found["run"]) / "expert") == weights(finished.output)
    assert weights(tmp_path / "expert") == weights(finished.output)
    assert found["validation"] == finished.answer.json["validation"]
    assert found["test"] == finished.answer.json["test"]
    left = [path.name for path in (tmp_path / "home").rglob("*") if path.name.startswith(".metier-tmp")]
    assert left == []


def test_ctrl_c_with_json_answers_one_object(finished: Any, nursery: Nursery, tmp_path: Path) -> None:
    words = elsewhere(finished.words, tmp_path)
    code, out, err = nursery.run(
        words, signal.SIGINT, lambda: any(tmp_path.glob("home/runs/*/rungs/linear/metrics.json"))
    )
    assert code == 130
    assert json.loads(out)["error"]["code"] == "interrupted"
    assert "Traceback" not in err


def test_the_command_in_the_report_gives_the_same_weights_in_another_workspace(
    finished: Any, metier: Any, tmp_path: Path
) -> None:
    command = lifecycle.report.reproduce(
        Plan.load(finished.run / "plan.json"), lifecycle.read(finished.data, Plan(), lifecycle.Workspace(tmp_path))
    )
    answer = metier(*shlex.split(command)[1:], "--json", "--workspace", tmp_path / "home")
    assert weights(Path(answer.json["expert"])) == weights(finished.output)
    for part in ("validation", "test", "chosen"):
        assert answer.json[part] == finished.answer.json[part]


def test_another_seed_gives_other_weights(finished: Any, metier: Any, tmp_path: Path) -> None:
    words = elsewhere(finished.words, tmp_path)
    words[words.index("--seed") + 1] = "4"
    metier(*words)
    ours, theirs = weights(tmp_path / "expert"), weights(finished.output)
    assert ours["adapter_model.safetensors"] != theirs["adapter_model.safetensors"]


def test_a_finished_run_is_not_taken_up_again(metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--rung", "linear", "--json"]
    first, second = (metier(*words, "--workspace", tmp_path / "home").json for _ in range(2))
    assert first["run"] != second["run"]
    assert sha256(Path(first["expert"]) / "words.safetensors") == sha256(Path(second["expert"]) / "words.safetensors")


# ------------------------------------------------------------------------------------------------------- the record


@pytest.mark.parametrize(
    "name",
    ["plan.json", "data.json", "split.npy", "environment.json", "rungs/linear/metrics.json", "evaluation.json",
     "expert/adapter_model.safetensors", "report.html"],
)  # fmt: skip
def test_an_edited_byte_is_found_and_its_file_named(finished: Any, metier: Any, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(finished.run, run)
    assert metier("verify", run, "--json").json["ok"] is True
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    answer = metier("verify", run, "--json")
    assert answer.code == 1
    assert answer.json["ok"] is False
    assert name in answer.json["problem"]
    assert name in metier("verify", run).out


def test_a_run_records_what_went_in_and_what_came_out(finished: Any) -> None:
    done = json.loads((finished.run / "done.json").read_text())
    paths = [entry["path"] for entry in done["files"]]
    assert {"plan.json", "data.json", "split.json", "environment.json", "base.json", "evaluation.json"} <= set(paths)
    assert {"report.html", "expert/metier.json", "expert/adapter_model.safetensors"} <= set(paths)
    data = json.loads((finished.run / "data.json").read_text())
    assert data["train"]["source"]["sha256"] == sha256(finished.data)
    assert data["test"]["source"]["sha256"] == sha256(finished.test)
    split = json.loads((finished.run / "split.json").read_text())
    assert split["rows"] == {"train": 150, "validation": 150}
    about = json.loads((finished.output / "metier.json").read_text())
    assert about["data"] == sha256(finished.data)
    assert about["base"]["sha256"] == finished.answer.json["base"]["sha256"]


# ------------------------------------------------------------------------------------------------ where things are left


def test_a_folder_that_is_no_expert_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    mine = tmp_path / "thesis"
    mine.mkdir()
    (mine / "chapter.tex").write_text("years of work")
    with pytest.raises(ResourceError) as caught:
        lifecycle.tune(tmp_path / "there is no such file.csv", output=mine, workspace=tmp_path / "home")
    assert caught.value.code == "folder-in-use"
    assert "chapter.tex" in caught.value.found
    assert (mine / "chapter.tex").read_text() == "years of work"
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("output", ["file", "file/below"])
def test_an_output_below_a_file_is_refused_before_anything_is_read(tmp_path: Path, output: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError) as caught:
        lifecycle.tune(tmp_path / "nothing.csv", output=tmp_path / output, workspace=tmp_path / "home")
    assert caught.value.code == "not-a-folder"
    assert not (tmp_path / "home").exists()


def test_an_older_expert_is_replaced(metier: Any, ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--json", "--workspace", tmp_path / "home"]
    assert metier(*words, "--rung", "majority", "-o", tmp_path / "expert").code == 0
    assert metier(*words, "--rung", "linear", "-o", tmp_path / "expert").code == 0
    assert json.loads((tmp_path / "expert" / "metier.json").read_text())["rung"] == "linear"
    assert metier("verify", tmp_path / "expert").code == 0


def test_a_plan_and_choices_beside_it_are_refused(ticket_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not both"):
        lifecycle.tune(ticket_file, plan=Plan(), target="intent", workspace=tmp_path)


def test_a_rung_that_is_not_on_the_ladder_is_told(ticket_file: Path, tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--rung must name") as caught:
        lifecycle.tune(ticket_file, target="intent", base=str(tiny_base), rung="frosen", workspace=tmp_path)
    assert "frozen" in caught.value.fix


def test_python_gives_what_the_command_line_gives(finished: Any, tmp_path: Path) -> None:
    found = lifecycle.evaluate(finished.output, finished.test, workspace=tmp_path, questions=("calibration",))
    assert found.evaluation.rows == found.figures["rows"] == 40
    pieces = list(lifecycle.predict(finished.output, finished.test, workspace=tmp_path))
    assert sum(len(dataset) for dataset, _ in pieces) == sum(len(answers) for _, answers in pieces) == 40
