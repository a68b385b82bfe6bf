"""A pack is one spelling of one expert: every altered byte is found, nothing is unpacked from a file that isn't whole."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import Command

from metier import files
from metier.errors import ExpertError, MetierError
from metier.expert import Expert
from metier.govern import signing
from metier.govern.packing import layout, packed
from metier.govern.verify import verify
from metier.workspace import Workspace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return Workspace(tmp_path_factory.mktemp("packs") / "metier")


@pytest.fixture(scope="module")
def pack(finished: Any, place: Workspace) -> Path:
    target = place.root.parent / "tickets.metier"
    packed.pack(finished.output, target, workspace=place.root)
    return target


def made(path: Path, place: Workspace, entries: list[tuple[Any, bytes]], **listed: Any) -> Path:
    """A file with these entries and a list that is rightly signed: what a clever forger with the key could write."""
    names = [info if isinstance(info, str) else info.filename for info, _ in entries]
    content = {
        "format": layout.FORMAT,
        "name": "x",
        "expert": "0" * 64,
        "base": False,
        "files": [
            {"path": name, "sha256": packed.hashlib.sha256(body).hexdigest(), "bytes": len(body)}
            for name, (_, body) in zip(names, entries, strict=True)
        ],
        **listed,
    }
    signer = signing.signer(place)
    whole = {**content, "key": signer.public, "signature": signer.sign(files.canonical(content))}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(layout.entry(layout.LIST), files.pretty(whole))
        for info, body in entries:
            archive.writestr(layout.entry(info) if isinstance(info, str) else info, body)
    return path


def test_the_same_expert_and_key_give_the_same_bytes(
    finished: Any, place: Workspace, pack: Path, tmp_path: Path
) -> None:
    again = packed.pack(finished.output, tmp_path / "again.metier", workspace=place.root)
    assert (tmp_path / "again.metier").read_bytes() == pack.read_bytes()
    assert again["sha256"] == files.sha256(pack)
    assert verify(pack).ok


def test_a_pack_answers_as_the_expert_does(finished: Any, place: Workspace, pack: Path) -> None:
    texts = ["my card does not work", "the fee is wrong again"]
    assert Expert.load(pack, cache=place.cache).predict(texts) == Expert.load(finished.output).predict(texts)


def test_with_its_base_it_needs_nothing_else(finished: Any, place: Workspace, tmp_path: Path) -> None:
    found = packed.pack(finished.output, tmp_path / "whole.metier", with_base=True, workspace=place.root)
    assert found["base"]
    base = Path(finished.base)
    away = base.rename(base.with_name("away"))
    try:
        with pytest.raises(MetierError):
            Expert.load(finished.output)
        assert Expert.load(tmp_path / "whole.metier", cache=place.cache).predict(["my card does not work"])
    finally:
        away.rename(base)


def test_every_altered_byte_is_found(pack: Path, tmp_path: Path) -> None:
    whole = pack.read_bytes()
    rng = random.Random(0)
    copy = tmp_path / "copy.metier"
    places = {*rng.sample(range(len(whole)), 150), *range(64), *range(zipfile.ZipFile(pack).start_dir, len(whole))}
    for at in sorted(places):
        copy.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << rng.randrange(8))]) + whole[at + 1 :])
        with pytest.raises(ExpertError) as error:
            packed.check(copy)
        assert error.value.code == "altered-pack"
    for content in (whole[:-1], whole + b"x", b"x" + whole, whole[: len(whole) // 2], b""):
        copy.write_bytes(content)
        with pytest.raises(ExpertError):
            packed.check(copy)


def test_an_altered_entry_is_named(pack: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.metier"
    with zipfile.ZipFile(pack) as source, zipfile.ZipFile(copy, "w") as target:
        for info in source.infolist():
            body = source.read(info)
            body = body.replace(b'"threshold"', b'"thresholt"') if info.filename == "expert/metier.json" else body
            target.writestr(layout.entry(info.filename), body)
    verdict = verify(copy)
    assert (verdict.ok, verdict.record) == (False, "expert/metier.json")


def test_a_stranger_is_not_trusted_until_named(pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Workspace(tmp_path / "metier")
    with pytest.raises(ExpertError) as error:
        packed.unpacked(pack, other)
    assert error.value.code == "unknown-signer"
    assert not (other.cache / "packs").exists()
    key = packed.check(pack).key
    monkeypatch.setenv("METIER_TRUSTED_KEYS", f"ffff, {key}")
    assert packed.unpacked(pack, other).is_dir()
    assert not verify(pack, key="f" * 16).ok
    assert verify(pack, key=key).notes == ()


def test_what_was_changed_after_unpacking_is_unpacked_again(pack: Path, tmp_path: Path, place: Workspace) -> None:
    folder = packed.unpacked(pack, place)
    content = (folder / "metier.json").read_bytes()
    (folder / "metier.json").write_bytes(content + b" ")
    assert (packed.unpacked(pack, place) / "metier.json").read_bytes() == content


def test_an_expert_that_is_not_whole_is_not_packed(finished: Any, place: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "expert"
    shutil.copytree(finished.output, folder)
    (folder / "metier.json").write_bytes((folder / "metier.json").read_bytes() + b" ")
    for broken, code in ((folder, "altered-expert"), (tmp_path, "no-expert")):
        with pytest.raises(ExpertError) as error:
            packed.pack(broken, tmp_path / "x.metier", workspace=place.root)
        assert error.value.code == code
    assert not (tmp_path / "x.metier").exists()


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "expert/../../x",
        "expert//x",
        "expert/.",
        "expert/a\\b",
        "C:/x",
        "expert/con",
        "x/y",
        "expert/x ",
        "expert/\x00",
    ],
)
def test_names_that_lead_elsewhere_are_refused(place: Workspace, tmp_path: Path, name: str) -> None:
    with pytest.raises(ExpertError) as error:
        packed.check(made(tmp_path / "x.metier", place, [(name, b"x")]))
    assert error.value.code == "altered-pack"


@given(name=st.text(max_size=40))
def test_a_name_that_passes_stays_in_its_folder(name: str) -> None:
    if layout.name_fault(name) == "":
        target = (Path("/pack") / name).resolve()
        assert target.is_relative_to("/pack")
        assert name.split("/")[0] in ("expert", "base") or name in (layout.LIST, layout.OPENSSF)
        assert not set(name) & set('\\:*?"<>|')


@given(body=st.binary(max_size=300), at=st.integers(0, 300))
def test_no_bytes_make_the_reader_stumble(body: bytes, at: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.metier"
    start = b"PK\x03\x04" + body
    path.write_bytes(start[:at] + layout.LIST.encode() + start[at:])
    with pytest.raises(ExpertError):
        packed.check(path)


def test_links_bombs_and_doubles_are_refused(place: Workspace, tmp_path: Path) -> None:
    link = layout.entry("expert/link")
    link.external_attr = 0o120777 << 16
    squeezed = layout.entry("expert/zeros")
    squeezed.compress_type = zipfile.ZIP_DEFLATED
    cases: list[tuple[str, list[tuple[Any, bytes]]]] = [
        ("link", [(link, b"/etc/passwd")]),
        ("compressed", [(squeezed, b"\0" * 1_000_000)]),
        ("twice", [("expert/A", b"1"), ("expert/a", b"2")]),
    ]
    for word, entries in cases:
        with pytest.raises(ExpertError) as error:
            packed.check(made(tmp_path / f"{word}.metier", place, entries))
        assert word in error.value.found
    with pytest.warns(UserWarning, match="Duplicate name"):
        double = made(tmp_path / "double.metier", place, [("expert/a", b"1"), ("expert/a", b"1")])
    with pytest.raises(ExpertError):
        packed.check(double)


def test_what_the_list_does_not_know_and_what_is_missing_is_named(place: Workspace, tmp_path: Path) -> None:
    entries = [("expert/a", b"1"), ("expert/b", b"2")]
    listed = [{"path": "expert/a", "sha256": packed.hashlib.sha256(b"1").hexdigest(), "bytes": 1}]
    for some, wanted in ((listed, "expert/b"), ([*listed, {**listed[0], "path": "expert/c"}], "expert/")):
        with pytest.raises(ExpertError) as error:
            packed.check(made(tmp_path / "x.metier", place, list(entries), files=some))
        assert error.value.found.startswith(wanted)


def test_the_openssf_signature_is_held_to_its_key(
    finished: Any, place: Workspace, tmp_path: Path, metier: Command
) -> None:
    pytest.importorskip("model_signing")
    pytest.importorskip("OpenSSL")
    for name in ("own", "other"):
        private = tmp_path / f"{name}.pem"
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private], check=True)
        subprocess.run(
            ["openssl", "ec", "-in", private, "-pubout", "-out", tmp_path / f"{name}.pub"],
            check=True,
            capture_output=True,
        )
    target = tmp_path / "signed.metier"
    words = ["pack", finished.output, "-o", target, "--workspace", place.root, "--json"]
    assert metier(*words, "--sign", "openssf").json["error"]["code"] == "half-a-signature"
    assert (
        metier(*words, "--sign", "openssf", "--openssf-key", tmp_path / "own.pub").json["error"]["code"]
        == "bad-openssf-key"
    )
    assert metier(*words, "--sign", "openssf", "--openssf-key", tmp_path / "own.pem").json["openssf"]
    assert verify(target).ok
    assert verify(target, key=str(tmp_path / "own.pub")).ok
    refused = verify(target, key=str(tmp_path / "other.pub"))
    assert (refused.ok, refused.record) == (False, layout.OPENSSF)


def test_the_command_says_what_it_wrote(finished: Any, place: Workspace, tmp_path: Path, metier: Command) -> None:
    answer = metier("pack", finished.output, "-o", tmp_path / "x.metier", "--workspace", place.root, "--json")
    assert set(answer.json) == {"file", "sha256", "bytes", "key", "expert", "base", "openssf"}
    assert json.loads(metier("verify", tmp_path / "x.metier", "--json").out)["ok"]
    told = metier("predict", tmp_path / "x.metier", finished.test, "--workspace", place.root)
    assert told.code == 0
    assert len(told.out.splitlines()) == 40
