"""Private training: rows are cut to one length, the noise is what the account says, and a broken step is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from metier.errors import UsageError
from metier.evaluate.metrics import find_metric
from metier.plan import Plan
from metier.trunk.encoder import Encoder
from metier.tune import adapters, private
from metier.tune.heads import Head
from metier.tune.private import Budget, PrivateStep, budget, poisson
from metier.tune.tuned import ADAPTER, FULL

pytest.importorskip("opacus")


class Here:
    """What the loop's accelerator does on one processor."""

    def autocast(self) -> Any:
        return torch.autocast("cpu", enabled=False)

    def backward(self, loss: torch.Tensor) -> None:
        loss.backward()


@pytest.fixture
def pupil(make_work, tmp_path):
    """An adapter over the tiny base, not fused, with a head of its own, and 24 texts to learn."""
    work = make_work(tmp_path, rows=24, plan={"layers": 2, "dropout": 0.0})
    trunk, texts = work.trunk, work.train.inputs
    import copy

    model = copy.deepcopy(trunk.model)
    adapters.open_adapter(model, 2, rank=4, alpha=8, seed=0, fused=False)
    generator = torch.Generator().manual_seed(0)
    head = Head(torch.randn(4, trunk.width, generator=generator), torch.zeros(4))
    learner = adapters.Learner(Encoder(model, 2, trunk.base.pooling), head, 0.0)
    for name, parameter in learner.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.05, generator=generator)
    words = trunk.features(texts)[:, trunk.base.hidden :]
    return adapters.TextPupil(
        learner,
        work.train.target,
        trunk.tokens(texts),
        words,
        work.train.targets,
        None,
        0.0,
        None,
        8,
        1e-3,
        private=True,
    )


def stepped(
    pupil: Any, batch: np.ndarray, *, noise: float = 0.0, clip: float = 1e6, rate: float = 1.0
) -> dict[str, Any]:
    """The gradients that one private step hands to the optimiser, times the rows it expects."""
    trained = {n: p for n, p in pupil.module.named_parameters() if p.requires_grad}
    optimizer = torch.optim.SGD(list(trained.values()), lr=10.0)
    step = PrivateStep(pupil.module, Budget(1.0, 1e-5, noise, clip, rate, 1), len(pupil.tokens))
    found: dict[str, Any] = {}
    seen = optimizer.step
    optimizer.step = lambda *_: found.update({n: p.grad.clone() for n, p in trained.items()}) or seen()
    try:
        step(pupil, batch, Here(), optimizer, 1.0, trained)
    finally:
        step.close()
    return {name: value * step.mean_rows for name, value in found.items()}


def length(gradients: dict[str, Any]) -> float:
    return float(torch.cat([value.flatten() for value in gradients.values()]).norm())


def test_unclipped_and_without_noise_a_step_is_the_ordinary_one(pupil):
    batch = np.arange(24)
    trained = {n: p for n, p in pupil.module.named_parameters() if p.requires_grad}
    pupil.module.train()
    for piece, share in pupil.pieces(batch):
        (pupil.loss(piece) * share).backward()
    wanted = {name: 24 * parameter.grad.clone() for name, parameter in trained.items()}
    pupil.module.zero_grad()
    found = stepped(pupil, batch)
    assert set(found) == set(wanted)
    for name, gradient in wanted.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5)


def test_no_row_weighs_more_than_the_clip(pupil):
    clip = 0.01
    state = {name: tensor.clone() for name, tensor in pupil.module.state_dict().items()}

    def summed(batch: list[int]) -> dict[str, Any]:
        pupil.module.load_state_dict(state)
        return stepped(pupil, np.array(batch), clip=clip)

    without, one = summed([0, 1, 2]), summed([0, 1, 2, 3])
    apart = length({name: one[name] - without[name] for name in one})
    assert apart == pytest.approx(clip, rel=1e-3)
    assert length(summed([5])) == pytest.approx(clip, rel=1e-3)


def test_the_noise_is_as_long_as_the_account_says_even_with_no_row_drawn(pupil):
    torch.manual_seed(0)
    found = stepped(pupil, np.zeros(0, int), noise=3.0, clip=0.5)
    every = torch.cat([value.flatten() for value in found.values()])
    assert float(every.std()) == pytest.approx(1.5, rel=0.05)


def test_weights_that_stand_still_or_break_are_refused(pupil):
    trained = {n: p for n, p in pupil.module.named_parameters() if p.requires_grad}
    step = PrivateStep(pupil.module, Budget(1.0, 1e-5, 1.0, 1.0, 1.0, 1), 24)
    # The optimiser holds other tensors than the module: what a move between devices once did to Opacus.
    strangers = [torch.nn.Parameter(p.detach().clone()) for p in trained.values()]
    with pytest.raises(UsageError) as caught:
        step(pupil, np.arange(4), Here(), torch.optim.SGD(strangers, lr=0.1), 1.0, trained)
    assert "did not move" in caught.value.found
    with pytest.raises(UsageError) as caught:
        step(pupil, np.arange(4), Here(), torch.optim.SGD(list(trained.values()), lr=float("inf")), 1.0, trained)
    assert "finite" in caught.value.found
    step.close()


def test_a_saved_adapter_that_learnt_nothing_is_refused(tmp_path):
    from safetensors.torch import save_file

    a, b = torch.ones(2, 3), torch.zeros(3, 2)
    save_file({"x.lora_A.weight": a, "x.lora_B.weight": b}, tmp_path / "adapter_model.safetensors")
    with pytest.raises(UsageError):
        private.check_saved(tmp_path)
    save_file({"x.lora_A.weight": a, "x.lora_B.weight": b + 1}, tmp_path / "adapter_model.safetensors")
    private.check_saved(tmp_path)


def test_rows_are_drawn_each_by_its_own_chance():
    batches = [b for seed in range(200) for b in poisson(100, 10, np.random.default_rng(seed))]
    sizes = np.array([len(batch) for batch in batches])
    assert len(batches) == 2000
    assert sizes.mean() == pytest.approx(10, abs=0.3)
    assert sizes.var() == pytest.approx(9, abs=1)
    assert np.bincount(np.concatenate(batches), minlength=100) == pytest.approx(200, abs=60)


def test_the_budget_is_spent_and_not_overspent():
    plan = Plan.of(epsilon=3.0, batch_size=50, delta=1e-5)
    spend = budget(plan, 500, 2)
    assert spend.steps == 20
    assert 2.9 <= spend.spent(spend.steps) <= 3.0
    assert spend.spent(spend.steps // 2) < spend.spent(spend.steps)
    assert spend.record(20)["delta"] == 1e-5


def test_with_epsilon_the_plan_trains_an_adapter_once():
    plan = Plan.of(epsilon=8)
    assert (plan.ladder.rung, plan.ladder.refit, plan.training.batch_size) == ("adapter", False, 256)
    assert Plan.of(epsilon=8, batch_size=64).training.batch_size == 64
    assert Plan.of().ladder.refit


@pytest.mark.parametrize(
    "choices",
    [{"rung": "frozen"}, {"rung": "full"}, {"refit": True}, {"class_weights": "balanced"}, {"contrastive": "yes"}],
)
def test_a_privacy_that_cannot_be_kept_is_refused(choices, make_work, tmp_path):
    plan, target = Plan.of(epsilon=8, **choices), make_work(tmp_path).train.target
    rung = {"adapter": ADAPTER, "full": FULL}.get(plan.ladder.rung or "", SimpleNamespace(name="frozen"))
    with pytest.raises(UsageError):
        private.check(rung, target, plan)


def test_a_private_quantity_is_refused(make_work, tmp_path):
    work = make_work(tmp_path, quantity=True)
    with pytest.raises(UsageError):
        private.check(ADAPTER, work.train.target, Plan.of(epsilon=8))


def test_a_private_adapter_learns_says_what_it_spent_and_keeps_no_secret(make_work, tmp_path):
    plan = {"epsilon": 1000.0, "epochs": 8, "layers": 1, "batch_size": 40}
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    works = [make_work(folder, rows=240, plan=plan) for folder in folders]
    (one, settings), (two, _) = (ADAPTER.fit(work) for work in works)
    assert settings["private"]["epsilon"] <= 1000
    assert settings["private"]["steps"] == settings["steps"] == 48
    assert settings["blend"] == {}
    held_out = works[0].validation
    outputs = one.outputs(held_out.inputs)
    assert find_metric("accuracy", held_out.target).function(held_out.targets, outputs) > 0.4
    # The same plan, another secret: whoever has the record cannot take the noise off.
    assert not np.allclose(outputs, two.outputs(held_out.inputs))
    assert not list(tmp_path.rglob("secret.json"))
    assert not list(tmp_path.rglob("checkpoint*"))


def test_what_comes_before_training_is_made_of_no_row(make_work, tmp_path):
    """Another set of rows, the same start: the head that training begins with is that of the labels' names."""
    from safetensors.torch import load_file

    starts = []
    for rows in (120, 200):
        folder = tmp_path / str(rows)
        folder.mkdir()
        work = make_work(folder, rows=rows, plan={"epsilon": 50.0, "epochs": 1, "layers": 1, "batch_size": 40})
        predictor, _ = ADAPTER.fit(replace(work, earlier={}))
        starts.append(load_file(predictor.folder / "start.safetensors")["weight"])
    torch.testing.assert_close(*starts)


def test_tune_states_epsilon_and_keeps_no_cell(tiny_base, ticket_file, tmp_path, metier):
    words = ["tune", ticket_file, "--target", "intent", "--base", tiny_base, "--epsilon", "20", "--epochs", "2"]
    answer = metier(*words, "--layers", "1", "--workspace", tmp_path / "home", "-o", tmp_path / "expert", "--json")
    assert answer.code == 0, answer.err
    about = json.loads((tmp_path / "expert" / "metier.json").read_text())
    assert about["rung"] == "adapter"
    assert 0 < about["settings"]["private"]["epsilon"] <= 20
    assert all(not column["examples"] for column in about["columns"])
    assert not (tmp_path / "expert" / "words").exists()
    refused = metier(*words, "--rung", "frozen", "--workspace", tmp_path / "home", "--json")
    assert refused.code == 1
    assert refused.json["error"]["code"] == "not-private"
