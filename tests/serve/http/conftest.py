"""One server for all tests that only ask; two experts of the same labels to serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Command, Finished
from tests.serve.running import Running, running


@dataclass(frozen=True)
class Experts:
    """Folders of two experts (an adapter, a linear one) of the same intents, and the workspace that made them."""

    first: Path
    second: Path
    workspace: Path
    test: Path


@pytest.fixture(scope="session")
def experts(finished: Finished, metier: Command) -> Experts:
    words = ["tune", finished.data, "--target", "intent", "--base", finished.base, "--rung", "linear", "--json"]
    answer = metier(*words, "--workspace", finished.workspace)
    assert answer.code == 0, answer
    return Experts(finished.output, Path(answer.json["expert"]), finished.workspace, finished.test)


@pytest.fixture(scope="session")
def server(experts: Experts) -> Iterator[Running]:
    """A server of banking, which nobody changes, and of desk, which operators change; all answers for the environment's key."""
    options = ("--max-rows", 64, "--max-characters", 2000, "--max-body-kib", 64, "--read-seconds", 2, "--access-log")
    with running(experts.workspace, [f"banking={experts.first}", f"desk={experts.first}"], *options) as found:
        yield found
