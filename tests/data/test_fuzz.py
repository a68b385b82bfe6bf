"""Whatever stands in a file, reading it gives rows or a clear error."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest
from tests.fuzzing import broken, wholes

from metier.data.read import read
from metier.errors import MetierError
from metier.plan import DataPlan


@pytest.mark.parametrize("name", list(wholes()))
def test_a_broken_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    whole = wholes()[name]
    file = tmp_path / name
    file.write_bytes(whole)
    assert len(read(str(file), DataPlan(), tmp_path / "cache")) == 12
    for seed in range(60):
        file.write_bytes(broken(whole, random.Random(seed)))
        with contextlib.suppress(MetierError):
            read(str(file), DataPlan(), tmp_path / "cache")
