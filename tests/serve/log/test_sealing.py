"""Sealing: only the right key opens, only the right row, and only what was sealed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metier.errors import RecordError, UsageError
from metier.serve.log.entry import input_hash, new_id
from metier.serve.log.sealing import Sealer, sealer

KEY = Sealer((b"k" * 32,))


@given(st.text(), st.integers() | st.lists(st.text()), st.data())
def test_a_changed_or_moved_seal_does_not_open(id_: str, value: object, data: st.DataObject) -> None:
    id_ = id_.encode("utf-8", "replace").decode()
    sealed = KEY.seal(id_, value)
    assert KEY.open(id_, sealed) == value
    with pytest.raises(RecordError):
        KEY.open(id_ + "x", sealed)
    at = data.draw(st.integers(9, len(sealed) - 3))
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    with pytest.raises(RecordError):
        KEY.open(id_, changed)


def test_several_keys_open_and_the_first_seals() -> None:
    old = sealer({"METIER_LOG_KEY": "0" * 32})
    both = sealer({"METIER_LOG_KEY": "1" * 32 + ", " + "0" * 32})
    assert old is not None
    assert both is not None
    assert both.open("a", old.seal("a", 1)) == 1
    with pytest.raises(RecordError) as error:
        old.open("a", both.seal("a", 1))
    assert error.value.code == "log-key-missing"
    assert old.digest(b"x") in both.digests(b"x")


def test_no_key_and_a_short_one() -> None:
    assert sealer({}) is None
    with pytest.raises(UsageError, match="16 characters"):
        sealer({"METIER_LOG_KEY": "short"})


def test_ids_are_in_order_and_hashes_are_of_the_text() -> None:
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(id_) == 32 for id_ in ids)
    assert ids == sorted(ids)
    assert abs(int(ids[0][:12], 16) / 1000 - time.time()) < 60
    assert input_hash({"b": 1, "a": 2.0}) == input_hash({"a": 2, "b": 1})
    assert input_hash("a") != input_hash("b")
