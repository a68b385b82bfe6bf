"""Asking for help is quick: `import metier` and `metier --help` leave the heavy libraries alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import metier

HEAVY = ["torch", "numpy", "transformers", "sklearn", "scipy", "polars", "pyarrow", "peft", "accelerate", "altair"]
HELP = "from metier.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
LOADED = f"import json, sys; print(json.dumps([name for name in {HEAVY} if name in sys.modules]))"


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("code", ["import metier\n", HELP], ids=["import", "help"])
def test_no_heavy_library_is_loaded(code: str) -> None:
    assert json.loads(python(code + LOADED).splitlines()[-1]) == []


@pytest.mark.parametrize("code", ["import metier\n", HELP], ids=["import", "help"])
def test_it_answers_within_half_a_second(code: str) -> None:
    # The processor's seconds, and the best of five: what else the machine does meanwhile is not the question.
    clock = "import time; print(time.process_time())"
    assert min(float(python(code + clock).splitlines()[-1]) for _ in range(5)) < 0.5


def test_help_names_every_command() -> None:
    shown = python(HELP)
    for command in ("demo", "inspect", "curate", "tune", "evaluate", "predict", "verify", "doctor"):
        assert f"\n  {command} " in shown


def test_every_public_name_is_there() -> None:
    assert len(metier.__all__) == len(set(metier.__all__)) >= 10
    for name in metier.__all__:
        assert getattr(metier, name) is not None
    assert dir(metier) == sorted(metier.__all__)
    assert set(metier._HOMES) == set(metier.__all__) - {"__version__"}


def test_a_name_that_is_not_public_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'metier' has no attribute 'tunee'"):
        metier.tunee  # noqa: B018
    assert not hasattr(metier, "lifecycles")


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run([sys.executable, "-m", "metier", "--version"], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("metier, version ")
