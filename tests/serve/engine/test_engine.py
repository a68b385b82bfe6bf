"""The engine answers as each expert alone does, whatever stands beside a text; what is wrong with one ask is its own."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import metier
from metier.answering import Prediction
from metier.errors import DataError, ExpertError, ResourceError
from metier.expert import Expert
from metier.serve.engine.engine import Ask, Engine
from metier.serve.engine.trunk import Memory

TEXTS = [
    "my card does not work 3",
    "what about the fee today",
    "please help with the login, the login and the password again and again",
    "card",
    "is the standing order free of trouble 77 and why is the visa card like this",
    "Unknown wörds ??",
]


@pytest.fixture(scope="module")
def engine(served: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Engine:
    engine = Engine(tmp_path_factory.mktemp("home") / "cache")
    for name, folder in served.items():
        engine.load(name, folder)
    return engine


@pytest.fixture(scope="module")
def alone(served: dict[str, Path]) -> dict[str, Expert]:
    return {name: Expert.load(folder) for name, folder in served.items()}


def same(found: Any, expected: list[Prediction]) -> bool:
    """Alike to 1e-5: half precision, in which features are kept, is all that may round another way."""
    assert not isinstance(found, Exception), found
    assert len(found) == len(expected)
    return all(
        a.abstain == b.abstain
        and (a.prediction == b.prediction or a.prediction == pytest.approx(b.prediction, abs=1e-4))
        and [a.confidence, a.low, a.high] == pytest.approx([b.confidence, b.low, b.high], abs=1e-4 if b.low else 1e-5)
        for a, b in zip(found, expected, strict=True)
    )


def rows_for(name: str, texts: list[str]) -> list[Any]:
    """Texts, and the region where an expert asks for it."""
    places = ["north", "south", "elsewhere"]
    return [{"text": t, "region": places[len(t) % 3]} for t in texts] if name == "groups" else list(texts)


def test_so_many_kinds_of_expert_are_compared(engine: Engine) -> None:
    facts = engine.loaded()
    assert len(facts) >= 15
    sharing = {name for name, fact in facts.items() if fact["shares_trunk"]}
    assert {"generic", "frozen", "blended", "adapter", "twin", "wide", "number", "rescaled", "merged"} <= sharing
    assert not sharing & {"majority", "linear", "full", "onnx"}


@pytest.mark.parametrize("seed", range(6))
def test_a_mixed_batch_answers_as_each_expert_alone(engine: Engine, alone: dict[str, Expert], seed: int) -> None:
    rng = np.random.default_rng(seed)
    asks = []
    for name in rng.permutation(np.repeat(list(alone), 1 + seed % 3)):
        texts = [TEXTS[at] + " " + str(rng.integers(9)) for at in rng.integers(len(TEXTS), size=rng.integers(1, 5))]
        asks.append(Ask(str(name), rows_for(name, texts)))
    for ask, found in zip(asks, engine.answer(asks), strict=True):
        assert same(found, alone[ask.expert].predict(list(ask.rows))), ask


def test_every_expert_alone_in_a_batch(engine: Engine, alone: dict[str, Expert]) -> None:
    for name, expert in alone.items():
        rows = rows_for(name, TEXTS)
        assert same(engine.answer([Ask(name, rows)])[0], expert.predict(rows)), name


def test_experts_of_one_shape_do_not_answer_for_each_other(engine: Engine) -> None:
    first, second, again = engine.answer([Ask("adapter", TEXTS), Ask("twin", TEXTS), Ask("adapter", TEXTS)])
    assert first == again
    assert first != second


def test_empty_texts_missing_ones_and_no_rows(engine: Engine, alone: dict[str, Expert]) -> None:
    none = Prediction(None, 0.0, True)
    empty, mixed, nothing, objects = engine.answer(
        [
            Ask("adapter", ["", " \n\u2003"]),
            Ask("twin", ["", "card", " "]),
            Ask("frozen", []),
            Ask("frozen", [{"text": None}, {"text": "card", "more": [1]}]),
        ]
    )
    assert empty == [none, none]
    assert isinstance(mixed, list)
    assert [mixed[0], mixed[2]] == [none, none]
    assert same([mixed[1]], alone["twin"].predict(["card"]))
    assert nothing == []
    assert same(objects, [none, *alone["frozen"].predict(["card"])])


def test_rows_of_a_table_beside_texts(engine: Engine, tmp_path: Path) -> None:
    table = tmp_path / "loans.csv"
    lines = [f"{at % 7},{'abc'[at % 3]},{'yes' if at % 7 > 3 else 'no'}" for at in range(80)]
    table.write_text("\n".join(["amount,purpose,paid", *lines]) + "\n", encoding="utf-8")
    tuned = metier.tune(table, target="paid", rung="linear", workspace=tmp_path / "home", time_limit="none")
    engine.load("loans", tuned.expert)
    try:
        asks = [
            Ask("loans", [{"amount": 2, "purpose": "a"}]),
            Ask("adapter", TEXTS[:1]),
            Ask("loans", [{"amount": 5.5, "purpose": None}, {"amount": "x", "purpose": "c"}]),
            Ask("loans", [{"amount": 3, "purpose": "b"}]),
            Ask("loans", [{"sum": 1}]),
        ]
        *found, wrong = engine.answer(asks)
        alone = Expert.load(tuned.expert)
        for at in (0, 2, 3):
            assert same(found[at], alone.predict(list(asks[at].rows)))
        assert isinstance(wrong, ExpertError)
        assert wrong.code == "missing-columns"
    finally:
        engine.unload("loans")


def test_what_is_wrong_with_one_ask_is_told_to_that_one(engine: Engine) -> None:
    good = Ask("adapter", ["my card"])
    asks = [
        good,
        Ask("nobody", ["x"]),
        Ask("adapter", ["half a pair \ud800"]),
        Ask("frozen", ["a", {"text": "b"}]),
        Ask("groups", ["no region"]),
        good,
    ]
    found = engine.answer(asks)
    assert [getattr(one, "code", "") for one in found] == [
        "", "no-such-expert", "unreadable-row", "mixed-rows", "missing-columns", "",
    ]  # fmt: skip
    expected = engine.answer([good])[0]
    assert isinstance(expected, list)
    assert same(found[0], expected)
    assert same(found[-1], expected)
    assert "pair" not in str(found[2])


def test_a_text_that_breaks_the_pass_fails_alone(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    trunk = engine.expert("adapter").trunk
    assert trunk is not None
    embed = trunk.embed

    def poisoned(tokens: Any, adapters: Any) -> Any:
        if 13 in tokens.lengths:
            raise RuntimeError("index out of range")
        return embed(tokens, adapters)

    monkeypatch.setattr(trunk, "embed", poisoned)
    long = "card " * 11  # and two special tokens
    asks = [Ask(("adapter", "frozen", "twin")[at % 3], [long if at == 5 else f"the fee {at}"]) for at in range(9)]
    found = engine.answer(asks)
    assert [at for at, one in enumerate(found) if isinstance(one, DataError)] == [5]
    assert all(isinstance(one, list) and one[0].prediction for at, one in enumerate(found) if at != 5)


# ------------------------------------------------------------------------------------------------- loading, unloading


def test_an_altered_folder_is_refused(served: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(served["adapter"], folder)
    path = folder / "adapter_model.safetensors"
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    engine = Engine()
    with pytest.raises(ExpertError, match="adapter_model") as caught:
        engine.load("adapter", folder)
    assert caught.value.code == "altered-expert"
    (folder / "manifest.json").unlink()
    with pytest.raises(ExpertError, match="manifest"):
        engine.load("adapter", folder)
    assert engine.loaded() == {}


def test_one_folder_by_two_names_is_loaded_once(served: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(served["frozen"], tmp_path / "again")
    engine = Engine(max_loaded=1)
    engine.load("one", served["frozen"])
    engine.load("two", tmp_path / "again")
    assert engine.expert("one") is engine.expert("two")
    engine.unload("one")
    assert list(engine.loaded()) == ["two"]
    with pytest.raises(ExpertError):
        engine.unload("one")


def test_another_expert_takes_over_a_name_at_once(served: dict[str, Path]) -> None:
    engine = Engine(max_loaded=1)
    before = engine.load("best", served["frozen"])
    after = engine.load("best", served["generic"])
    assert before.facts["root"] != after.facts["root"] == engine.loaded()["best"]["root"]


def test_experts_beyond_the_room_are_refused(served: dict[str, Path]) -> None:
    engine = Engine(max_loaded=2)
    engine.load("a", served["frozen"])
    engine.load("b", served["generic"])
    with pytest.raises(ResourceError, match="At most 2") as caught:
        engine.load("c", served["twin"])
    assert caught.value.code == "engine-full"
    assert list(engine.loaded()) == ["a", "b"]
    with pytest.raises(ResourceError, match="0 MiB"):
        Engine(memory_mib=0).load("a", served["frozen"])


def test_what_is_unloaded_takes_its_trunk_along(served: dict[str, Path]) -> None:
    engine = Engine()
    engine.load("a", served["frozen"])
    engine.load("b", served["short"])
    assert engine.expert("a").trunk is not engine.expert("b").trunk
    engine.unload("b")
    engine.load("c", served["twin"])
    assert engine.expert("a").trunk is engine.expert("c").trunk


def test_experts_come_and_go_while_others_answer(served: dict[str, Path]) -> None:
    engine = Engine()
    engine.load("adapter", served["adapter"])
    expected = engine.answer([Ask("adapter", TEXTS)])[0]
    wrong: list[Any] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            found = engine.answer([Ask("adapter", TEXTS), Ask("coming", ["card"])])
            if found[0] != expected:
                wrong.append(found)

    thread = threading.Thread(target=ask)
    thread.start()
    for name in ("twin", "frozen", "wide"):
        engine.load("coming", served[name])
        engine.unload("coming")
    stop.set()
    thread.join()
    assert wrong == []


# ------------------------------------------------------------------------------------------------- what is remembered


def test_a_frequent_text_is_computed_once_for_each_adapter(
    served: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine()
    for name in ("frozen", "generic", "adapter"):
        engine.load(name, served[name])
    trunk = engine.expert("frozen").trunk
    assert trunk is not None
    passed: list[int] = []
    forward = trunk._forward
    monkeypatch.setattr(trunk, "_forward", lambda ids, mask: passed.append(len(ids)) or forward(ids, mask))
    first = engine.answer([Ask("frozen", ["card", "card"]), Ask("generic", ["card"]), Ask("adapter", ["card"])])
    assert sum(passed) == 2
    assert engine.answer([Ask("frozen", ["card", "card"]), Ask("generic", ["card"]), Ask("adapter", ["card"])]) == first
    assert sum(passed) == 2
    engine.forget_texts()
    engine.answer([Ask("frozen", ["card"])])
    assert sum(passed) == 3


def test_the_memory_of_texts_is_bounded() -> None:
    memory = Memory(3 * (8 + 256), 8)
    for at in range(5):
        memory.put(bytes([at]), np.full(4, at, np.float16))
        memory.get(b"\0")
    assert len(memory) == 3
    assert memory.get(b"\0") is not None
    assert memory.get(b"\1") is None
    nothing = Memory(0, 8)
    nothing.put(b"a", np.zeros(4, np.float16))
    assert nothing.get(b"a") is None


# ------------------------------------------------------------------------------------------------- outside of batches


def test_similar_rows_and_reasons_come_from_the_run(finished: Any) -> None:
    engine = Engine(finished.workspace / "cache")
    engine.load("tickets", finished.run / "expert")
    found = engine.similar("tickets", "my card does not work", 3)
    assert len(found) == 3
    assert [row["similarity"] for row in found] == sorted((row["similarity"] for row in found), reverse=True)
    assert set(found[0]) == {"row", "text", "label", "similarity"}
    line = finished.data.read_text(encoding="utf-8").splitlines()[found[0]["row"] + 1]
    assert line == f"{found[0]['text']},{found[0]['label']}"
    told = engine.explain("tickets", "my card does not work")
    said = engine.answer([Ask("tickets", ["my card does not work"])])[0]
    assert isinstance(said, list)
    assert told["prediction"] == said[0].prediction
    with pytest.raises(DataError):
        engine.explain("tickets", " ")


def test_without_the_rows_there_are_none_similar(served: dict[str, Path], tmp_path: Path) -> None:
    engine = Engine(tmp_path / "cache")
    engine.load("frozen", served["frozen"])
    with pytest.raises(ExpertError) as caught:
        engine.similar("frozen", "card")
    assert caught.value.code == "no-training-rows"
