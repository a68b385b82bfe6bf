from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier import files
from metier.errors import ResourceError
from metier.plan import Plan

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def temporaries(folder: Path) -> list[Path]:
    return list(folder.rglob(f"{files.TEMPORARY}*"))


def python(code: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]


# ------------------------------------------------------------------------------------------------------------ files


def test_a_written_file_holds_exactly_what_was_given_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "new" / "a.bin", b"\x00\xff")
    files.write_text(tmp_path / "b.txt", "Käse\n")
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"\x00\xff"
    assert (tmp_path / "b.txt").read_bytes() == "Käse\n".encode()
    assert temporaries(tmp_path) == []


def test_a_failed_block_keeps_the_old_file(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "old")

    def half() -> None:
        with files.open_new(tmp_path / "a") as file:
            file.write(b"half")
            raise KeyError("stop")

    with pytest.raises(KeyError):
        half()
    assert (tmp_path / "a").read_text() == "old"
    assert temporaries(tmp_path) == []


def test_a_new_file_has_the_permissions_the_user_asked_the_system_for(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_link_stays_a_link_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    files.write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced() -> None:
    files.write_text("/dev/null", "gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_reader_never_sees_half_a_file_while_its_writer_is_killed_again_and_again(tmp_path: Path) -> None:
    path, size = tmp_path / "big", 1 << 20
    files.write_bytes(path, b"0" * size)
    code = """
        import sys
        from metier import files
        turn = 0
        while True:
            turn += 1
            files.write_bytes(sys.argv[1], str(turn % 10).encode() * (1 << 20))
            if turn == 1:
                print("writing", flush=True)
        """
    seen = set()
    for _ in range(3):
        with subprocess.Popen(python(code, path), stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"writing\n"
            end = time.monotonic() + 0.1
            while time.monotonic() < end:
                content = path.read_bytes()
                assert len(content) == size
                assert len(set(content)) == 1
                seen.add(content[0])
            writer.send_signal(signal.SIGKILL)
        content = path.read_bytes()
        assert len(content) == size
        assert len(set(content)) == 1
    assert len(seen) > 1
    files.sweep(tmp_path)
    assert temporaries(tmp_path) == []


# ---------------------------------------------------------------------------------------------------------- folders


def test_a_folder_appears_whole_and_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "expert"
    for turn, names in enumerate((("manifest.json", "old"), ("manifest.json", "deep/er/new"))):
        with files.write_folder(target) as building:
            for name in names:
                files.write_text(building / name, str(turn))
            assert not (target / "deep").exists()
    assert sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file()) == [
        "deep/er/new",
        "manifest.json",
    ]
    assert (target / "manifest.json").read_text() == "1"
    assert temporaries(tmp_path) == []


def test_a_folder_whose_block_fails_leaves_the_old_one_untouched(tmp_path: Path) -> None:
    target = tmp_path / "expert"
    with files.write_folder(target) as building:
        files.write_text(building / "manifest.json", "old")

    def interrupted() -> None:
        with files.write_folder(target) as building:
            files.write_text(building / "manifest.json", "new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (target / "manifest.json").read_text() == "old"
    assert temporaries(tmp_path) == []


def test_somebody_elses_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(ResourceError, match=r"thesis\.docx") as caught, files.write_folder(tmp_path):
        pytest.fail("the block must not be entered")
    assert caught.value.code == "folder-in-use"
    assert (tmp_path / "thesis.docx").read_text() == "years of work"


def test_a_file_in_the_folders_place_is_named_and_kept(tmp_path: Path) -> None:
    (tmp_path / "expert").write_text("a file")
    with pytest.raises(ResourceError) as caught, files.write_folder(tmp_path / "expert"):
        pytest.fail("the block must not be entered")
    assert caught.value.code == "not-a-folder"
    assert (tmp_path / "expert").read_text() == "a file"


def test_metiers_own_folder_is_replaced_whatever_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "rung").mkdir()
    (tmp_path / "rung" / "weights").write_text("old")
    with files.write_folder(tmp_path / "rung", marker=None) as building:
        files.write_text(building / "other", "new")
    assert [item.name for item in (tmp_path / "rung").iterdir()] == ["other"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="renameat2 is Linux's")
def test_a_reader_always_finds_a_whole_folder_while_it_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "expert"
    with files.write_folder(target) as building:
        files.write_text(building / "manifest.json", "0")
    code = """
        import sys
        from metier import files
        print("writing", flush=True)
        for turn in range(150):
            with files.write_folder(sys.argv[1]) as building:
                files.write_text(building / "manifest.json", str(turn))
        """
    missing = reads = 0
    with subprocess.Popen(python(code, target), stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while writer.poll() is None:
            reads += 1
            try:
                missing += (target / "manifest.json").read_text() == ""
            except FileNotFoundError:
                missing += 1
        assert writer.returncode == 0
    assert reads > 100
    assert missing == 0


def test_where_two_names_cannot_be_swapped_at_once_the_old_folder_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda one, other: False)
    for turn in ("old", "new"):
        with files.write_folder(tmp_path / "expert") as building:
            files.write_text(building / "manifest.json", turn)
    assert (tmp_path / "expert" / "manifest.json").read_text() == "new"
    assert temporaries(tmp_path) == []


def test_errors_of_other_files_in_the_block_are_not_blamed_on_the_target(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.write_folder(tmp_path / "out"):
        (tmp_path / "elsewhere").read_text()
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------- what disks say

FULL_DISK = """
    import json, sys
    from pathlib import Path
    from metier import files
    from metier.errors import ResourceError
    root = Path(sys.argv[1])
    files.write_text(root / "small", "old")
    answers = []
    def attempt(work):
        try:
            work()
        except ResourceError as error:
            answers.append([error.code, str(error)])
    def folder():
        with files.write_folder(root / "expert") as building:
            files.write_text(building / "a", "x")
            (building / "weights").write_bytes(b"x" * 2_000_000)
    def library():
        import numpy as np
        from safetensors.numpy import save_file
        with files.write_folder(root / "expert") as building:
            save_file({"w": np.zeros(500_000, np.float32)}, building / "w.safetensors")
    attempt(lambda: files.write_bytes(root / "small", b"x" * 2_000_000))
    attempt(folder)
    attempt(library)
    left = sorted(str(p.relative_to(root)) for p in root.rglob("*"))
    print(json.dumps({"answers": answers, "left": left, "small": (root / "small").read_text()}))
    """


def on_a_disk_of_its_own(code: str, folder: Path) -> dict[str, Any]:
    """Run code in a process that sees a real disk of one mebibyte at `folder`; nobody else does."""
    if shutil.which("unshare") is None:
        pytest.skip("needs util-linux's unshare")
    script = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]
    done = subprocess.run([*unshare, *python(code, folder)], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"this machine lets nobody mount: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_full_disk_is_named_with_what_is_needed_and_free_and_nothing_is_lost(tmp_path: Path) -> None:
    found = on_a_disk_of_its_own(FULL_DISK, tmp_path)
    assert [code for code, _ in found["answers"]] == ["disk-full"] * 3
    assert "1.9 MiB needed" in found["answers"][0][1]
    assert "KiB free" in found["answers"][0][1]
    assert str(tmp_path) in found["answers"][0][1]
    assert found["left"] == ["small"]
    assert found["small"] == "old"


def test_a_folder_that_is_a_volume_of_its_own_is_filled_and_replaced(tmp_path: Path) -> None:
    code = """
        import json, sys
        from pathlib import Path
        from metier import files
        root, seen = Path(sys.argv[1]), []
        for names in (["manifest.json", "old"], ["manifest.json", "deep/new"]):
            with files.write_folder(root) as building:
                for name in names:
                    files.write_text(building / name, name)
            seen.append(sorted(str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()))
        print(json.dumps({"seen": seen}))
        """
    found = on_a_disk_of_its_own(code, tmp_path)
    assert found["seen"] == [["manifest.json", "old"], ["deep/new", "manifest.json"]]


def test_a_full_device_says_so() -> None:
    with pytest.raises(ResourceError) as caught:
        files.write_bytes("/dev/full", b"x")
    assert caught.value.code == "disk-full"


def test_a_file_over_the_size_limit_is_refused_and_the_old_one_kept(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(ResourceError) as caught:
            files.write_bytes(tmp_path / "a", b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "file-too-large"
    assert (tmp_path / "a").read_text() == "old"
    assert temporaries(tmp_path) == []


def test_a_name_too_long_for_the_disk_is_named_and_the_longest_allowed_one_works(tmp_path: Path) -> None:
    files.write_text(tmp_path / ("n" * 255), "fits")
    with pytest.raises(ResourceError) as caught:
        files.write_text(tmp_path / ("n" * 256), "does not")
    assert caught.value.code == "name-too-long"
    assert [item.name for item in tmp_path.iterdir()] == ["n" * 255]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError) as caught:
        files.write_text(tmp_path / "file" / "below", "y")
    assert caught.value.code == "not-a-folder"


def test_a_folder_where_a_file_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResourceError) as caught:
        files.write_text(tmp_path / "folder", "y")
    assert caught.value.code == "is-a-folder"
    assert temporaries(tmp_path) == []


def test_no_permission_says_so_and_where_else_to_go() -> None:
    code = """
        import os, sys
        from metier import files
        from metier.errors import ResourceError
        if os.geteuid() == 0:
            os.setgid(65534); os.setuid(65534)
        os.listdir(sys.argv[1])
        try:
            files.write_text(sys.argv[1] + "/a", "x")
        except ResourceError as error:
            print(error.code, error.fix)
        """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        done = subprocess.run(python(code, folder), capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no-permission")
    assert "another place" in done.stdout


def test_every_refusal_has_words_of_its_own() -> None:
    named = {files.refusal(OSError(number, os.strerror(number)), Path("/x")).code for number in files._REFUSALS}
    assert "disk-error" not in named
    assert files.refusal(OSError(errno.EIO, "I/O"), Path("/x")).code == "disk-error"


@pytest.mark.parametrize(
    ("size", "words"), [(731, "731 bytes"), (1024, "1.0 KiB"), (13_002_342, "12.4 MiB"), (2**45, "32.0 TiB")]
)
def test_sizes_are_written_in_words(size: int, words: str) -> None:
    assert files.amount(size) == words


# ------------------------------------------------------------------------------------------------------------- JSON


@settings(deadline=None)
@given(VALUES)
def test_any_value_comes_back_from_canonical_json_and_hashes_the_same(value: object) -> None:
    again = json.loads(files.canonical(value))
    assert again == value
    assert files.digest(again) == files.digest(value)


@settings(deadline=None)
@given(VALUES)
def test_any_value_comes_back_from_pretty_json(value: object) -> None:
    assert json.loads(files.pretty(value)) == value


@settings(deadline=None)
@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_change_the_hash(value: dict[str, int]) -> None:
    assert files.digest(dict(reversed(value.items()))) == files.digest(value)


def test_known_hashes_stay_what_they_were() -> None:
    assert files.canonical({"b": [1.0, 0.1, True, None], "a": "é"}) == b'{"a":"\\u00e9","b":[1,0.1,true,null]}'
    assert files.digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_different_values_hash_differently() -> None:
    values = [None, True, False, 0.1, 1, 2, "1", [], {}, [1], ["1"], {"1": 1}, "", [[]]]
    assert len({files.digest(value) for value in values}) == len(values)


def test_a_plan_and_its_json_hash_the_same() -> None:
    plan = Plan.of(target="intent", time_limit="90s")
    assert files.digest(plan) == files.digest(json.loads(plan.model_dump_json()))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.float32("nan")])
def test_what_is_no_number_is_refused_in_hashes_and_null_in_files(value: float, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        files.canonical({"x": value})
    files.write_json(tmp_path / "a.json", {"x": value})
    assert files.read_json(tmp_path / "a.json") == {"x": None}


def test_the_forms_that_results_come_in_are_written(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Point:
        x: float
        where: Path

    value = {
        1: np.int64(3),
        "a": np.array([[0.5, 1.0]]),
        "p": Point(1.5, Path("a/b")),
        "d": date(2026, 1, 2),
        "t": (1,),
    }
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == {
        "1": 3,
        "a": [[0.5, 1.0]],
        "p": {"x": 1.5, "where": "a/b"},
        "d": "2026-01-02",
        "t": [1],
    }


def test_what_has_no_form_in_json_is_named() -> None:
    with pytest.raises(TypeError, match="object"):
        files.canonical({"x": object()})
    with pytest.raises(TypeError, match="Plan"):
        files.canonical(Plan)


def test_text_from_broken_input_is_still_valid_json(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a.json", {"text": "caf\udce9"})
    (tmp_path / "a.json").read_bytes().decode("utf-8")
    assert files.read_json(tmp_path / "a.json") == {"text": "caf\udce9"}


def test_an_array_comes_back_and_objects_are_never_unpickled(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.int64).reshape(2, 3)
    files.write_array(tmp_path / "a.npy", array)
    assert np.array_equal(files.read_array(tmp_path / "a.npy"), array)
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        files.read_array(tmp_path / "b.npy")


def test_sha256_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(ResourceError) as caught:
        files.sha256(tmp_path / "none")
    assert caught.value.code == "no-such-file"
