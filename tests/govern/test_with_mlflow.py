"""Releases go to an MLflow registry on this machine and come back, and nothing is reported to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.govern.conftest import OPEN, Desk

from metier.errors import UsageError
from metier.govern import with_mlflow

# In a process of its own: MLflow keeps state of the whole process, and no connection may be opened in it.
ROUND = """
import socket, sys
from pathlib import Path
def refused(*_): raise AssertionError("a connection was opened")
socket.socket.connect = refused
from metier.govern import registry, with_mlflow
from metier.workspace import Workspace
home, address, other = Workspace(Path(sys.argv[1])), sys.argv[2], Workspace(Path(sys.argv[3]))
first = with_mlflow.write("tickets", home, address)
again = with_mlflow.write("tickets@1", home, address)
assert [one["written"] for one in (*first, *again)] == [True, False], (first, again)
import mlflow.telemetry
assert mlflow.telemetry.get_telemetry_client() is None
back = with_mlflow.read(address, "tickets", other, version=1, policy="general")
assert back.release.manifest == registry.resolve("tickets", home).manifest
assert back.release.stage == "draft" and back.gates[0]["gate"] == "origin" and not back.gates[0]["passed"]
import os
os.environ["MLFLOW_TRACKING_URI"] = address  # else MLflow's own client makes ./mlflow.db
client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
assert client.get_model_version_by_alias("tickets", "champion").tags["metier.release"] == "tickets@1"
print("done")
"""


def test_a_release_goes_there_and_back(small_desk: Desk, tmp_path: Path) -> None:
    pytest.importorskip("mlflow.version")
    from metier.govern.release import release

    expert = small_desk.expert()
    small_desk.evaluated(expert)
    assert release(expert, small_desk.place, policy=small_desk.policy(OPEN)).released
    address = (tmp_path / "store").as_uri()
    words = [sys.executable, "-c", ROUND, str(small_desk.place.root), address, str(tmp_path / "other")]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ))
    assert done.stdout == "done\n", done.stderr[-2000:]
    assert not (tmp_path / "mlflow.db").exists()
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("address", ["http://mlflow.example", "databricks://x", "postgresql://x/y"])
def test_servers_are_not_spoken_to(small_desk: Desk, address: str) -> None:
    with pytest.raises(UsageError, match="on this machine"):
        with_mlflow.read(address, "tickets", small_desk.place)
