"""`metier serve` takes a packed expert, and refuses an altered one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.conftest import Finished

from metier.errors import ExpertError, MetierError
from metier.govern.packing.packed import pack
from metier.serve import opening
from metier.workspace import Workspace


def test_a_packed_expert_is_served_and_an_altered_one_refused(finished: Finished, tmp_path: Path) -> None:
    place, file = Workspace(tmp_path / "metier"), tmp_path / "tickets.metier"
    pack(finished.output, file, workspace=place.root)
    assert opening.is_folder(str(file))
    version = opening.from_folder(f"desk={file}", place=place)
    assert version.name == "desk"
    assert (version.folder / "metier.json").read_bytes() == (finished.output / "metier.json").read_bytes()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(MetierError) as error:
        opening.from_folder(f"desk={file}", place=place)
    assert isinstance(error.value, ExpertError)
