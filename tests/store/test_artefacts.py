"""Folders are kept by their content, whole or not at all, here and in an object store."""

from __future__ import annotations

from pathlib import Path

import pytest

from metier import files
from metier.errors import ExpertError, ResourceError
from metier.govern import record
from metier.store import artefacts
from metier.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "expert"
    files.write_json(made / "metier.json", {"name": "x"})
    files.write_bytes(made / "generic" / "head.safetensors", b"\0" * 100)
    record.seal_expert(made)
    return made


@pytest.fixture(params=["here", "elsewhere", "object store"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    address = {"here": "", "elsewhere": str(tmp_path / "kept"), "object store": f"memory://{tmp_path.name}"}
    monkeypatch.setenv(artefacts.PLACE, address[request.param])
    return Workspace(tmp_path / "metier")


def test_what_is_put_is_got_again(place: Workspace, folder: Path) -> None:
    name = artefacts.put(place, folder)
    assert name == artefacts.put(place, folder) == files.sha256(folder / "manifest.json")
    got = artefacts.get(place, name)
    assert got == artefacts.path(place, name)
    assert record.verify(got).ok
    assert {path.relative_to(got) for path in got.rglob("*")} == {
        path.relative_to(folder) for path in folder.rglob("*")
    }
    artefacts.check(got, name)


def test_an_altered_folder_is_not_kept(place: Workspace, folder: Path) -> None:
    files.write_bytes(folder / "generic" / "head.safetensors", b"\1" * 100)
    with pytest.raises(ExpertError, match="what its manifest says"):
        artefacts.put(place, folder)


def test_another_folder_under_the_name_is_found(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExpertError, match="manifest"):
        artefacts.check(folder, "0" * 64)
    with pytest.raises(ExpertError):
        artefacts.check(tmp_path / "nowhere")


def test_what_an_object_store_gives_is_checked(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    monkeypatch.setenv(artefacts.PLACE, "memory://altered")
    name = artefacts.put(Workspace(tmp_path / "one"), folder)
    store = fsspec.filesystem("memory")
    kept = f"/altered/{name[:2]}/{name}"
    store.pipe_file(f"{kept}/generic/head.safetensors", b"\1" * 100)
    with pytest.raises(ExpertError):
        artefacts.get(Workspace(tmp_path / "two"), name)
    # A manifest that leads out of the folder is not followed.
    store.pipe_file(f"{kept}/manifest.json", b'{"files": [{"path": "../../../out"}]}')
    with pytest.raises(ExpertError):
        artefacts.get(Workspace(tmp_path / "two"), name)
    assert not (tmp_path / "out").exists()
    assert not artefacts.path(Workspace(tmp_path / "two"), name).exists()


def test_a_store_that_does_not_answer_is_told(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(artefacts.PLACE, "memory://empty")
    with pytest.raises(ResourceError, match="must answer"):
        artefacts.get(Workspace(tmp_path), "0" * 64)
    monkeypatch.setenv(artefacts.PLACE, "nosuch://anna:secret@host/x")
    with pytest.raises(ResourceError) as error:
        artefacts.put(Workspace(tmp_path), folder)
    assert "secret" not in str(error.value)
