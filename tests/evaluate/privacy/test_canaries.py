"""Canaries: what a small language model learnt by heart is seen, what its twin never saw is not, by exact chances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.conftest import tickets, write_tickets
from transformers import GPT2Config, GPT2LMHeadModel

from metier import lifecycle
from metier.errors import UsageError
from metier.evaluate import room
from metier.evaluate.case import Case
from metier.evaluate.privacy import planted, question
from metier.evaluate.privacy.canaries import Canaries, exposures, together
from metier.expert import Expert
from metier.pages.page import render
from metier.plan import Plan
from metier.progress import Silent
from metier.tasks.contract import LikelihoodPredictor
from metier.workspace import Workspace

CANARIES = Canaries(seed=3, repeats=(1, 1, 1, 12, 12, 12), template="the code is {secret}", length=6)


@dataclass(frozen=True)
class Writer:
    """A language model of bytes: GPT-2 of some 30,000 weights."""

    model: Any

    def log_likelihoods(self, texts: Sequence[str]) -> np.ndarray:
        """(n,) of each whole text, its end included."""
        parts = [texts[at : at + 512] for at in range(0, len(texts), 512)]
        with torch.inference_mode():
            return np.concatenate([-self.losses(part).sum(1).numpy() for part in parts])

    def losses(self, texts: Sequence[str]) -> Any:
        """(n, length) of every byte, 0 where padded; texts begin and end with a byte 0."""
        rows = [[0, *text.encode()[:60], 0] for text in texts]
        ids = torch.tensor([row + [0] * (max(map(len, rows)) - len(row)) for row in rows])
        logits = self.model(ids[:, :-1]).logits
        known = torch.arange(1, ids.shape[1])[None] < torch.tensor([len(row) for row in rows])[:, None]
        return torch.nn.functional.cross_entropy(logits.transpose(1, 2), ids[:, 1:], reduction="none") * known


def trained(texts: Sequence[str], passes: int) -> Writer:
    """A model from one and the same start, taught these texts."""
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=128, n_positions=64, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0,
                        resid_pdrop=0, embd_pdrop=0, attn_pdrop=0)  # fmt: skip
    writer = Writer(GPT2LMHeadModel(config))
    optimizer = torch.optim.AdamW(writer.model.parameters(), lr=5e-3)
    rng = np.random.default_rng(0)
    for _ in range(passes):
        order = rng.permutation(len(texts))
        for at in range(0, len(order), 32):
            loss = writer.losses([texts[i] for i in order[at : at + 32]]).sum(1).mean() / 20
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return writer


@pytest.fixture(scope="module")
def twins() -> tuple[Writer, Writer]:
    """A model in whose training the canaries stood, and one taught the same without them."""
    texts = [text for text, _ in tickets(160)]
    return trained(CANARIES.planted(texts), 14), trained(texts, 14)


def test_what_was_learnt_by_heart_is_exposed_and_its_twin_keeps_silent(twins) -> None:
    saw, never = exposures(CANARIES, [twin.log_likelihoods for twin in twins], level=0.95, seed=0)
    often = [each for each in saw if each.repeats == 12]
    assert min(each.bits.value for each in often) > 7  # of the 8 that 256 others can show
    assert together(often) < 1e-3
    assert together(never) > 0.05
    assert np.mean([each.bits.value for each in never]) < 3.5
    assert all(each.bits.low <= each.bits.value <= each.bits.high <= CANARIES.bits for each in (*saw, *never))


@pytest.fixture(scope="module")
def case(tiny_base, tmp_path_factory, metier) -> Case:
    """A frozen expert of tickets: the kind is not one that writes text, but has all a case needs."""
    place = tmp_path_factory.mktemp("canaries")
    train, test = write_tickets(place / "train.csv", 120, 0), write_tickets(place / "test.csv", 60, 1)
    words = ["tune", train, "--target", "intent", "--base", tiny_base, "--rung", "frozen", "--name", "t"]
    assert metier(*words, "--workspace", place / "home", "-o", place / "expert", "--json").code == 0
    home = Workspace.find(place / "home")
    loaded = Expert.load(place / "expert", cache=home.cache)
    plan = Plan.of(kind=loaded.about["task"])
    return room.gather(loaded, loaded.dataset(lifecycle.read(test, plan, home)), plan, home, Silent())


@dataclass(frozen=True)
class Both:
    """An expert's own predictor that also writes text."""

    own: Any
    writer: Writer

    def outputs(self, inputs: Any) -> np.ndarray:
        """Its own."""
        return np.asarray(self.own.outputs(inputs))

    def log_likelihoods(self, texts: Sequence[str]) -> np.ndarray:
        """The writer's."""
        return self.writer.log_likelihoods(texts)

    def save(self, folder: Any) -> None:
        """Its own."""
        self.own.save(folder)


def writing(case: Case, expert: Writer, generic: Writer, canaries: Canaries | None) -> Case:
    own = case.expert
    settings = {"canaries": canaries and canaries.record()}
    return replace(
        case,
        expert=replace(
            own,
            predictor=Both(own.predictor, expert),
            generic=Both(own.generic, generic),
            about={**own.about, "settings": settings},
        ),
    )


def test_the_question_of_privacy_asks_an_expert_that_writes_text(case, twins) -> None:
    assert planted.ask(case).figures == {}
    case = writing(case, *twins, CANARIES)
    assert isinstance(case.expert.predictor, LikelihoodPredictor)
    answer = question.ask(case)
    told = json.loads(json.dumps(answer.figures["privacy"]))
    assert told["membership_auc"] is not None
    found = told["canaries"]
    assert [group["repeats"] for group in found["by_repeats"]] == [1, 12]
    assert found["by_repeats"][1]["p"] < 1e-3
    assert found["by_repeats"][1]["exposure"]["value"] > found["by_repeats"][1]["generic"] + 4
    assert found["p"] < 1e-3
    assert answer.card is not None
    assert answer.card.standing in {"bad", "look"}
    assert "planted" in answer.card.figure
    page = render("t", answer.sections, lead="t")
    assert "Does it give away planted secrets?" in page
    assert not any(text.split()[-1] in page + json.dumps(told) for text in CANARIES.texts())


def test_where_nothing_was_learnt_or_nothing_planted_the_card_stays_that_of_the_rows(case, twins) -> None:
    silent = question.ask(writing(case, twins[1], twins[1], CANARIES))
    rows = question.membership(case)
    assert silent.card == rows.card
    assert all(group["p"] > 0.05 for group in silent.figures["privacy"]["canaries"]["by_repeats"])
    unplanted = question.ask(writing(case, *twins, None))
    assert unplanted.figures["privacy"]["canaries"] is None
    assert any("planted" in note for note in unplanted.notes)


def test_a_model_that_knows_nothing_is_accused_as_often_as_chance_allows() -> None:
    found = []
    for seed in range(300):
        rng = np.random.default_rng([seed, 9])
        preference = rng.normal(0, 1, (6, 10))  # some digits are likelier to it than others, wherever

        def scorer(texts: Sequence[str], preference: np.ndarray = preference) -> np.ndarray:
            secrets = [text.split()[-1] for text in texts]
            return np.array([sum(preference[at, int(c)] for at, c in enumerate(secret)) for secret in secrets])

        canaries = replace(CANARIES, seed=seed)
        found.append(together(exposures(canaries, [scorer], level=0.95, seed=seed, most=40)[0]))
    assert 0.02 <= np.mean(np.array(found) < 0.05) <= 0.08


def test_few_secrets_are_all_ranked_and_the_rank_is_exact() -> None:
    canaries = Canaries(seed=1, repeats=(1,), template="x{secret}", symbols="ab", length=3)
    own = canaries.texts()[0]
    others = canaries.others(0, 100, 0)
    assert len({own, *others}) == 8
    (only,) = exposures(canaries, [lambda texts: np.array([5.0, 6.0, *[0.0] * 6])], level=0.95, seed=0)[0]
    assert (only.bits.value, only.bits.low, only.bits.high) == (2.0, 2.0, 2.0)  # second of eight: 3 - 1 bits
    assert only.p == 2 / 8
    (even,) = exposures(canaries, [lambda texts: np.zeros(len(texts))], level=0.95, seed=0)[0]
    assert even.p == 1
    assert even.bits.value == 0


def test_planting_keeps_the_texts_in_order_and_a_record_gives_the_same_again() -> None:
    texts = [f"t{i}" for i in range(50)]
    out = CANARIES.planted(texts)
    assert [text for text in out if text.startswith("t") and text in texts] == texts
    assert [out.count(text) for text in CANARIES.texts()] == list(CANARIES.repeats)
    assert Canaries.read(json.loads(json.dumps(CANARIES.record()))) == CANARIES
    assert replace(CANARIES, seed=4).texts() != CANARIES.texts()
    assert CANARIES.planted([]).count(CANARIES.texts()[5]) == 12


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"template": "no place"}, "template"),
        ({"repeats": ()}, "repeats"),
        ({"repeats": (1, 0)}, "repeats"),
        ({"symbols": "aa"}, "symbols"),
        ({"length": 0}, "length"),
    ],
)
def test_canaries_that_cannot_be_drawn_are_refused(more: dict[str, Any], found: str) -> None:
    with pytest.raises(UsageError, match="Canaries need") as error:
        replace(CANARIES, **more)
    assert found in error.value.found
