from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from metier import doctor
from metier.errors import BaseError
from metier.terminal import table


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return doctor.examine(tmp_path_factory.mktemp("home") / "not" / "yet")


def named(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in report["checks"] if check["name"] == name)


def test_it_answers_in_plain_json_with_every_question_asked(report: dict[str, Any]) -> None:
    assert json.loads(json.dumps(report)) == report
    assert [check["name"] for check in report["checks"] if not check["name"].startswith("extra ")] == [
        "python",
        "processor",
        "memory",
        "disk",
        "write permission",
        "torch",
        "gpu",
        "matrix speed",
        "bundled base",
        "embedding 10,000 texts",
        "hugging face hub",
    ]
    assert report["ok"] == all(check["ok"] for check in report["checks"])


def test_what_is_not_in_order_comes_with_what_to_do(report: dict[str, Any]) -> None:
    for check in report["checks"]:
        assert check["found"]
        assert check["ok"] or check["fix"]


def test_the_measured_speed_gives_the_estimate(report: dict[str, Any]) -> None:
    machine = report["machine"]
    rate = max(machine["matmul_gflops"].values())
    assert rate > 0.1
    assert machine["embed_10000_seconds"] == pytest.approx(10_000 * 16 * 2 * 10_646_784 / (rate * 1e9 * 0.85), abs=0.1)


def test_asking_leaves_nothing_behind(tmp_path: Path) -> None:
    assert doctor._permission(tmp_path / "a" / "b").ok
    assert list(tmp_path.iterdir()) == []


def test_the_bundled_base_is_the_published_one(report: dict[str, Any]) -> None:
    assert named(report, "bundled base")["ok"]
    assert "86." in named(report, "bundled base")["found"]


def test_a_base_that_is_missing_or_altered_is_told_with_its_own_fix() -> None:
    def find(name: str) -> Any:
        raise BaseError("bundled-base-altered", "must be it", found="another", fix="pip install it")

    assert doctor._base(find) == doctor.Check("bundled base", False, "another", "pip install it")


def test_a_machine_without_torch_is_told_to_install_it(tmp_path: Path) -> None:
    code = """if True:
        import json, sys
        sys.modules["torch"] = None
        from metier import doctor
        print(json.dumps(doctor.examine(sys.argv[1])))
        """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert named(found, "torch")["fix"] == "pip install torch"
    assert not named(found, "embedding 10,000 texts")["ok"]
    assert named(found, "bundled base")["ok"]


def test_a_folder_that_may_not_be_written_to_is_named() -> None:
    # /proc takes nobody's files, not even root's.
    check = doctor._permission(Path("/proc/metier"))
    assert not check.ok
    assert "--workspace" in check.fix


def test_too_many_threads_are_told(report: dict[str, Any]) -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(report["machine"]["cores"] + 1)
    try:
        check = next(check for check in doctor._torch({"cores": report["machine"]["cores"]}) if check.name == "torch")
    finally:
        torch.set_num_threads(before)
    assert check.ok
    assert "OMP_NUM_THREADS" in check.fix


def test_an_offline_hub_is_said_to_be(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    (tmp_path / "models--org--one").mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor._hub().found == f"never asked (HF_HUB_OFFLINE); 1 models in {tmp_path}"
    monkeypatch.delenv("HF_HUB_OFFLINE")
    assert "only for a base named" in doctor._hub().found


def test_the_report_makes_a_table(report: dict[str, Any]) -> None:
    out = io.StringIO()
    table(*doctor.as_table(report), stream=out)
    assert len(out.getvalue().splitlines()) == len(report["checks"]) + 2


def test_the_title_counts_what_is_wrong() -> None:
    good = {"name": "a", "ok": True, "found": "x", "fix": ""}
    bad = {"name": "b", "ok": False, "found": "y", "fix": "z"}
    assert doctor.as_table({"checks": [good]})[0] == "This machine is ready."
    assert doctor.as_table({"checks": [good, bad]})[0] == "1 thing to see to."
    assert doctor.as_table({"checks": [bad, bad]})[0] == "2 things to see to."
