"""Embed once: what is cached, what is embedded again, and that it makes no difference to the outcome."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metier.trunk.base import Base, find, load_tokenizer
from metier.trunk.cache import KEY, FeatureCache, keys
from metier.trunk.features import Trunk

TEXTS = ["my card does not work", "please help with the transfer", "login", "the fee is wrong again and again", "pin"]
CLOSE = 2e-3  # features are float16, and sums over a padded batch come out in another order


class Counting:
    """A Progress that keeps the length of every stage."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.done = 0

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Counting]:
        self.totals.append(total)
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.done += amount

    def say(self, line: str) -> None:
        raise AssertionError(line)


@pytest.fixture(scope="module")
def base(tiny_base: Path) -> Base:
    return find(str(tiny_base))


@pytest.fixture(scope="module")
def plain(base: Base) -> Trunk:
    """A trunk that keeps nothing: what a cached one must agree with."""
    return Trunk(base)


def counting(base: Base, cache: Path) -> tuple[Trunk, Counting]:
    progress = Counting()
    return Trunk(base, cache, progress), progress


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.seg"))


# ----------------------------------------------------------------------------------------------------- what is embedded


def test_a_second_call_embeds_nothing(base: Base, plain: Trunk, tmp_path: Path) -> None:
    trunk, progress = counting(base, tmp_path)
    assert trunk.missing(TEXTS) == 5
    first = trunk.features(TEXTS)
    assert progress.totals == [5]
    assert progress.done == 5
    assert trunk.missing(TEXTS) == 0
    again, other = counting(base, tmp_path)
    np.testing.assert_array_equal(again.features(TEXTS), first)
    assert other.totals == []
    np.testing.assert_allclose(first, plain.features(TEXTS), atol=CLOSE)


def test_added_rows_alone_are_embedded_and_duplicates_once(base: Base, tmp_path: Path) -> None:
    trunk, progress = counting(base, tmp_path)
    trunk.features(TEXTS)
    found = trunk.features([*TEXTS, "new", TEXTS[0], "new", "newer", "new"])
    assert progress.totals == [5, 2]
    np.testing.assert_array_equal(found[5], found[7])
    np.testing.assert_array_equal(found[0], found[6])
    assert len(segments(tmp_path)) == 2


def test_arrow_columns_lists_and_missing_cells_are_one_and_the_same(base: Base, tmp_path: Path) -> None:
    trunk, progress = counting(base, tmp_path)
    first = trunk.features(["card", ""])
    for texts in (pa.array(["card", None]), pa.chunked_array([["card"], [""]], pa.large_string())):
        np.testing.assert_array_equal(trunk.features(texts), first)
    assert progress.totals == [2]


def test_other_bases_limits_and_poolings_have_caches_of_their_own(base: Base, tmp_path: Path) -> None:
    import dataclasses

    for one in (base, dataclasses.replace(base, max_tokens=8), dataclasses.replace(base, pooling="cls")):
        trunk, progress = counting(one, tmp_path)
        trunk.features(TEXTS)
        assert progress.totals == [5]


def test_nothing_is_written_without_a_cache_or_where_it_is_not_wished(base: Base, tmp_path: Path) -> None:
    trunk, progress = counting(base, tmp_path)
    kept_nowhere = trunk.features(TEXTS, keep=False)
    assert progress.totals == [5]
    assert list(tmp_path.iterdir()) == []
    np.testing.assert_allclose(trunk.features(TEXTS), kept_nowhere, atol=CLOSE)
    other = trunk.with_model(trunk.model)
    other.features(["something new"])
    assert trunk.missing(["something new"]) == 1
    assert other.missing(TEXTS) == 5


def test_a_run_killed_on_the_way_keeps_the_pieces_it_had(
    base: Base, plain: Trunk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metier.trunk.features._PIECE", 2)
    trunk, progress = counting(base, tmp_path)
    monkeypatch.setattr(progress, "advance", _fails_after(4))
    with pytest.raises(KeyboardInterrupt):
        trunk.features(TEXTS)
    again, other = counting(base, tmp_path)
    np.testing.assert_allclose(again.features(TEXTS), plain.features(TEXTS), atol=CLOSE)
    assert other.totals == [3]


def _fails_after(most: int) -> object:
    seen = 0

    def advance(amount: int = 1, **figures: float) -> None:
        nonlocal seen
        seen += amount
        if seen >= most:
            raise KeyboardInterrupt

    return advance


# ------------------------------------------------------------------------------------------------------ what comes of it


@settings(max_examples=15, deadline=None)
@given(order=st.permutations(range(12)), count=st.integers(1, 12))
def test_a_feature_hangs_on_its_text_alone(plain: Trunk, order: list[int], count: int) -> None:
    texts = [" ".join(["card", "fee", "why is the login wrong"][number % 3 :] * (1 + number)) for number in range(12)]
    whole = plain.features(texts)
    chosen = np.array(order[:count])
    np.testing.assert_allclose(plain.features([texts[at] for at in chosen]), whole[chosen], atol=CLOSE)


def test_both_halves_have_length_one_and_the_words_half_knows_no_order(base: Base, plain: Trunk) -> None:
    found = plain.features(["card fee", "fee card", "login"]).astype(np.float32)
    assert found.shape == (3, plain.width) == (3, 2 * base.hidden)
    meaning, words = found[:, : base.hidden], found[:, base.hidden :]
    for half in (meaning, words):
        np.testing.assert_allclose(np.linalg.norm(half, axis=1), 1, atol=5e-3)
        assert np.abs(half[0] - half[2]).max() > 0.05
    assert np.abs(meaning[0] - meaning[1]).max() > 5 * CLOSE


@pytest.mark.parametrize("text", ["", " \n\t ", "🙂🙂", "\u200b", "漢字かな", "x" * 50_000, "card " * 10_000, "\0"])
def test_odd_texts_have_features_too(plain: Trunk, text: str) -> None:
    found = plain.features([text, "card"])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(np.linalg.norm(found.astype(np.float32), axis=1), 2**0.5, atol=5e-3)


def test_a_long_text_is_cut_at_the_limit_and_its_true_length_told(base: Base, plain: Trunk) -> None:
    texts = ["card " * 10_000, "card " * 200, "card"]
    found = plain.features(texts)
    np.testing.assert_allclose(found[0], found[1], atol=CLOSE)
    assert plain.tokens(texts).lengths.tolist() == [base.max_tokens, base.max_tokens, 3]
    assert plain.lengths(texts).tolist() == [10_002, 202, 3]


def test_no_texts_have_no_features(base: Base, plain: Trunk, tmp_path: Path) -> None:
    for trunk in (plain, Trunk(base, tmp_path)):
        assert trunk.features([]).shape == (0, trunk.width)
    assert segments(tmp_path) == []


def test_the_speed_is_measured_once_and_positive(plain: Trunk) -> None:
    assert plain.speed() > 0
    assert plain.speed() == plain.speed()


# --------------------------------------------------------------------------------------------------- torn, altered, shared


@pytest.mark.parametrize("harm", ["cut", "emptied", "keys", "vectors", "check", "longer", "foreign"])
def test_a_spoilt_segment_is_thrown_away_and_done_again(base: Base, tmp_path: Path, harm: str) -> None:
    trunk, progress = counting(base, tmp_path)
    first = trunk.features(TEXTS)
    (segment,) = segments(tmp_path)
    body = bytearray(segment.read_bytes())
    body_of = {
        "cut": body[:-40],
        "emptied": b"",
        "keys": _flipped(body, 60),
        "vectors": _flipped(body, len(body) - 100),
        "check": _flipped(body, len(body) - 1),
        "longer": body + b"\0",
        "foreign": b"not a segment at all, and of a fair length too",
    }
    segment.write_bytes(body_of[harm])
    np.testing.assert_allclose(trunk.features(TEXTS), first, atol=CLOSE)
    assert progress.totals == [5, 5]
    assert segment not in segments(tmp_path)
    assert len(segments(tmp_path)) == 1


def _flipped(body: bytearray, at: int) -> bytes:
    changed = bytearray(body)
    changed[at] ^= 1
    return bytes(changed)


CHILD = """
import sys, time
from pathlib import Path
import numpy as np
from metier.trunk.cache import FeatureCache, keys
folder, mine = Path(sys.argv[1]), int(sys.argv[2])
(folder / f"ready-{mine}").touch()
while len(list(folder.glob("ready-*"))) < 2:
    time.sleep(0.005)
cache = FeatureCache(folder, 4)
for piece in range(25):
    names = [f"{mine if number % 2 else 'both'} {piece} {number}" for number in range(6)]
    cache.add(keys(names), np.full((6, 4), piece, np.float16))
    cache.refresh()
    assert (cache.find(keys(names)) >= 0).all()
    assert (cache.gather(cache.find(keys(names))) == piece).all()
"""


def test_two_processes_share_a_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", CHILD, str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen([*command, str(mine)], env=environment) for mine in (1, 2)]
    assert [process.wait(60) for process in both] == [0, 0]
    cache = FeatureCache(tmp_path, 4)
    cache.refresh()
    for mine in ("1", "2", "both"):
        names = [
            f"{mine} {piece} {number}" for piece in range(25) for number in range(6) if (number % 2) == (mine != "both")
        ]
        where = cache.find(keys(names))
        assert (where >= 0).all()
        np.testing.assert_array_equal(cache.gather(where)[:, 0], np.repeat(np.arange(25), 3))
    assert list(tmp_path.glob(".*")) == []


# ------------------------------------------------------------------------------------------------------ the cache itself


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=8, unique=True), max_size=5),
    asked=st.lists(st.text(max_size=3), max_size=20),
)
def test_the_cache_gives_back_what_was_put_in(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[list[str]], asked: list[str]
) -> None:
    cache = FeatureCache(tmp_path_factory.mktemp("cache"), 2)
    known: dict[str, np.ndarray] = {}
    for piece in pieces:
        values = np.array([[sum(map(ord, text)) % 1000, len(text)] for text in piece], np.float16)
        known |= dict(zip(piece, values, strict=True))
        cache.add(keys(piece), values)
    cache.refresh()
    where = cache.find(keys(asked))
    assert [at >= 0 for at in where] == [text in known for text in asked]
    wanted = [text for text in [*asked, *known] if text in known]
    found = cache.gather(cache.find(keys(wanted)))
    assert found.shape == (len(wanted), 2)
    for row, text in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(row, known[text])


def test_keys_tell_texts_apart_down_to_the_last_byte() -> None:
    texts = [f"text {number}" for number in range(5000)] + ["", "\0", "\0\0", "\ud800"]
    found = keys(texts)
    assert found.dtype == KEY
    assert len(np.unique(found)) == len(texts)


def test_a_segment_of_another_width_is_not_believed(tmp_path: Path) -> None:
    FeatureCache(tmp_path, 3).add(keys(["a"]), np.ones((1, 3), np.float16))
    other = FeatureCache(tmp_path, 2)
    other.refresh()
    assert (other.find(keys(["a"])) == -1).all()


def test_the_tokenizer_is_not_changed_by_measuring_lengths(base: Base, plain: Trunk) -> None:
    before = plain.tokens(["card " * 100]).lengths
    plain.lengths(["card " * 100])
    np.testing.assert_array_equal(plain.tokens(["card " * 100]).lengths, before)
    assert load_tokenizer(base).truncation is not None


def test_texts_made_up_on_the_way_are_embedded_once_and_leave_no_trace(
    base: Base, plain: Trunk, tmp_path: Path
) -> None:
    trunk, progress = counting(base, tmp_path)
    kept = trunk.features(TEXTS[:2])
    before = sorted(tmp_path.rglob("*.seg"))
    with trunk.scratch():
        first = trunk.features([*TEXTS, TEXTS[0]])
        progress.done = 0
        again = trunk.features(TEXTS)
        assert progress.done == 0
        assert trunk.features([]).shape == (0, trunk.width)
    assert np.array_equal(first[:-1], again)
    assert np.allclose(again, plain.features(TEXTS), atol=CLOSE)
    assert sorted(tmp_path.rglob("*.seg")) == before
    trunk.features(TEXTS[2:3])
    assert progress.done == 1, "what was remembered is forgotten"
    assert np.array_equal(trunk.features(TEXTS[:2]), kept)
