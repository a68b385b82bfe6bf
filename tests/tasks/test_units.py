"""Units of texts and rows: removed, exchanged, unheard; what a person sees and what the model reads agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from metier.tasks.rows import ROWS
from metier.tasks.text import CLASSIFICATION

ROLES = {"age": "number", "worded": "number", "town": "category", "seen": "time", "note": "text"}


def texts(*given: str) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(given, pa.large_string())])


def table(**columns: list[Any]) -> pa.Table:
    fields = [pa.field(name, pa.array(values).type, metadata={"role": ROLES[name]}) for name, values in columns.items()]
    return pa.table([pa.array(values) for values in columns.values()], schema=pa.schema(fields))


PEOPLE = table(
    age=[20, 30, 90, None],
    worded=["1,000.5", "2,000.5", "9,000.5", "3,000.5"],
    town=["Bonn", "Ulm", "Ulm", None],
    seen=["2024-01-01", "2024-06-01", "2024-03-01", "2024-02-01"],
    note=["a", "b", None, "d"],
)


@given(st.text(max_size=60), st.integers(0, 2**16))
def test_keeping_all_changes_nothing_and_removing_words_leaves_the_others(text: str, bits: int) -> None:
    inputs = texts(text)
    spans = CLASSIFICATION.units(inputs, 0)
    words = [text[start:end] for start, end in spans]
    assert len(CLASSIFICATION.names(inputs, 0)) == len(spans)
    stays = np.array([bool(bits >> at & 1) for at in range(len(spans))], bool)
    masks = np.stack([np.ones(len(spans), bool), stays])
    whole, part = CLASSIFICATION.keeping(inputs, [(0, masks)], None).to_pylist()
    assert whole == text
    if not stays.all():
        left = [word for word, stay in zip(words, stays, strict=True) if stay]
        assert "".join(part.split()) == "".join("".join(left).split())


def test_a_word_with_an_apostrophe_is_one_and_a_cut_leaves_a_space() -> None:
    inputs = texts("I don't (really) know")
    words = [inputs[0].as_py()[start:end] for start, end in CLASSIFICATION.units(inputs, 0)]
    assert words == ["I", "don't", "(", "really", ")", "know"]
    gone = np.array([[True, True, False, True, False, True], [True, False, True, True, True, True]])
    assert CLASSIFICATION.keeping(inputs, [(0, gone)], None).to_pylist() == ["I don't really know", "I (really) know"]


def test_words_are_exchanged_for_the_donors_commonest() -> None:
    inputs, donors = texts("my card is lost"), texts("my fee is high", "a high price", "high time")
    found = CLASSIFICATION.exchanged(inputs, 0, 1, donors, 2).to_pylist()
    assert found[0] == "my high is lost"
    assert len(found) == 2
    assert CLASSIFICATION.unheard(donors)(inputs, 0) == [1, 3]


def test_cells_are_put_back_to_what_is_usual() -> None:
    usual = ROWS.usual(PEOPLE)
    assert usual is not None
    assert usual.to_pylist() == [{"age": 30, "worded": "3,000.5", "town": "Ulm", "seen": "2024-03-01", "note": None}]
    spans = ROWS.units(PEOPLE, 0)
    assert ROWS.names(PEOPLE, 0) == ["age", "worded", "town", "seen", "note"]
    gone = np.ones((1, len(spans)), bool)
    gone[0, [0, 2]] = False
    changed = ROWS.keeping(PEOPLE, [(0, gone)], usual)
    assert changed.to_pylist() == [{**PEOPLE.to_pylist()[0], "age": 30, "town": "Ulm"}]
    assert changed.schema.field("age").metadata == {b"role": b"number"}
    left = ROWS.keeping(PEOPLE, [(0, gone)], None)
    assert left.to_pylist() == [{**PEOPLE.to_pylist()[0], "age": None, "town": None}]


def test_a_row_without_a_value_in_a_column_has_no_unit_for_it() -> None:
    assert ROWS.names(PEOPLE, 3) == ["worded", "seen", "note"]
    masks = np.zeros((1, 3), bool)
    assert ROWS.keeping(PEOPLE, [(3, masks), (0, np.ones((1, 5), bool))], ROWS.usual(PEOPLE)).to_pylist() == [
        {"age": None, "worded": "3,000.5", "town": None, "seen": "2024-03-01", "note": None},
        PEOPLE.to_pylist()[0],
    ]


def test_a_row_typed_otherwise_than_the_file_takes_its_usual_values() -> None:
    row = table(age=[5.5], worded=["7"], town=[None], seen=[None], note=[None])
    changed = ROWS.keeping(row, [(0, np.zeros((1, 2), bool))], ROWS.usual(PEOPLE))
    assert changed.to_pylist()[0]["age"] == 30
    assert changed.to_pylist()[0]["worded"] == "3,000.5"


def test_cells_are_exchanged_for_the_donors_and_strange_ones_are_told() -> None:
    found = ROWS.exchanged(PEOPLE, 0, 2, PEOPLE.slice(1, 3), 3)
    assert found.column("town").to_pylist() == ["Ulm"]
    strange = table(age=[95], worded=["2,000.5"], town=["Köln"], seen=["2030-01-01"], note=["x"])
    assert ROWS.unheard(PEOPLE)(strange, 0) == [0, 2]
    assert ROWS.unheard(PEOPLE)(PEOPLE, 1) == []
