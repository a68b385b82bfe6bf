"""The one loop: seeded, resumable to the last bit, and it leaves the best weights."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from metier.progress import Silent
from metier.tune import loop
from metier.tune.loop import Course, Standing, forget, train

COURSE = Course(
    epochs=3,
    learning_rate=0.05,
    batch_size=16,
    weight_decay=0.01,
    warmup=0.1,
    clip=1.0,
    patience=99,
    measures=2,
    seed=5,
)
STEPS = 12  # three epochs of four batches


class Toy:
    """Three clouds of points and two layers with dropout between them."""

    def __init__(self, scores: Sequence[float | None] | None = None, stop_at: int = -1, pause: float = 0.0) -> None:
        rng = np.random.default_rng(0)
        self.y = np.arange(64) % 3
        self.x = torch.from_numpy((rng.normal(0, 1, (64, 4)) + 2 * np.eye(4)[self.y]).astype(np.float32))
        generator = torch.Generator().manual_seed(1)
        self.module: nn.Module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3))
        with torch.no_grad():
            for parameter in self.module.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 3)
        self.module[0].bias.requires_grad_(False)  # type: ignore[index]
        self.scores = None if scores is None else list(scores)
        self.seen: list[dict[str, Tensor]] = []
        self.stop_at, self.steps, self.pause = stop_at, 0, pause

    def groups(self, learning_rate: float) -> list[dict[str, Any]]:
        layers: Any = self.module
        return [
            {"params": [layers[0].weight], "lr": learning_rate},
            {"params": list(layers[3].parameters()), "lr": learning_rate / 2},
        ]

    def batches(self, rng: np.random.Generator) -> list[np.ndarray]:
        return np.split(rng.permutation(64), 4)

    def pieces(self, batch: np.ndarray) -> list[tuple[np.ndarray, float]]:
        if self.steps == self.stop_at:
            raise KeyboardInterrupt
        time.sleep(self.pause)
        self.steps += 1
        return [(batch[:10], 10 / 16), (batch[10:], 6 / 16)]

    def loss(self, piece: np.ndarray) -> Tensor:
        assert self.module.training
        return nn.functional.cross_entropy(self.module(self.x[piece]), torch.from_numpy(self.y[piece]))

    def score(self) -> float | None:
        assert not self.module.training
        self.seen.append(weights(self))
        if self.scores is not None:
            return self.scores.pop(0)
        with torch.inference_mode():
            return -float(nn.functional.cross_entropy(self.module(self.x), torch.from_numpy(self.y)))


class Listening:
    """A Progress that keeps what it was told."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.moved = 0
        self.figures: set[str] = set()

    @contextmanager
    def stage(self, title: str, total: int | None = None, unit: str = "") -> Iterator[Listening]:
        self.total = total
        yield self

    def advance(self, amount: int = 1, **figures: float) -> None:
        self.moved += amount
        self.figures |= set(figures)

    def say(self, line: str) -> None:
        raise AssertionError(line)


def weights(pupil: Toy) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in pupil.module.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return list(one) == list(other) and all(torch.equal(one[name], other[name]) for name in one)


def trained(folder: Path, course: Course = COURSE, **about: Any) -> tuple[dict[str, Tensor], Standing, Toy]:
    pupil = Toy(**about)
    standing = train(pupil, course, folder=folder, progress=Silent())
    return weights(pupil), standing, pupil


@pytest.fixture
def every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after each step."""
    monkeypatch.setattr(loop, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Tensor], Standing]:
    """What an uninterrupted training gives."""
    found, standing, _ = trained(tmp_path_factory.mktemp("whole"))
    return found, standing


# --------------------------------------------------------------------------------------------------------- seeds, resuming


def test_a_training_learns_and_says_how_it_went(whole: tuple[dict[str, Tensor], Standing]) -> None:
    _, standing = whole
    assert (standing.step, standing.examples, standing.stopped) == (STEPS, 3 * 64, False)
    assert [entry["step"] for entry in standing.history] == [2, 4, 6, 8, 10, 12]
    assert standing.history[-1]["score"] > standing.history[0]["score"]
    assert standing.best_score == max(entry["score"] for entry in standing.history)


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]) -> None:
    torch.manual_seed(99)
    torch.randn(7)
    assert equal(trained(tmp_path)[0], whole[0])


def test_another_seed_gives_other_weights(tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]) -> None:
    assert not equal(trained(tmp_path, replace(COURSE, seed=6))[0], whole[0])


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("step", range(STEPS))
def test_a_training_stopped_anywhere_goes_on_to_the_same_weights(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing], step: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, stop_at=step)
    found, standing, pupil = trained(tmp_path)
    assert equal(found, whole[0])
    assert pupil.steps == STEPS - step
    keys = ("step", "loss", "score")
    assert [[e[k] for k in keys] for e in standing.history] == [[e[k] for k in keys] for e in whole[1].history]


@pytest.mark.usefixtures("every_step")
def test_a_training_stopped_again_and_again_goes_on_to_the_same_weights(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]
) -> None:
    for _ in range(STEPS // 2 - 1):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, stop_at=2)
    assert equal(trained(tmp_path)[0], whole[0])


def test_a_training_stopped_before_its_first_checkpoint_starts_over(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, stop_at=7)
    assert list(tmp_path.iterdir()) == []
    found, _, pupil = trained(tmp_path)
    assert equal(found, whole[0])
    assert pupil.steps == STEPS


def test_a_finished_training_is_not_trained_again(tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]) -> None:
    trained(tmp_path)
    found, standing, pupil = trained(tmp_path)
    assert equal(found, whole[0])
    assert (pupil.steps, standing.step) == (0, STEPS)
    forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
    forget(tmp_path)


def test_a_killed_process_is_taken_up_where_it_stood(tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    child = subprocess.Popen([sys.executable, __file__, str(tmp_path)], env=environment)
    checkpoint = tmp_path / "checkpoint.safetensors"
    while not checkpoint.is_file() and child.poll() is None:
        time.sleep(0.01)
    time.sleep(0.15)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    found, _, pupil = trained(tmp_path)
    assert 0 < pupil.steps < STEPS
    assert equal(found, whole[0])


# ------------------------------------------------------------------------------------------------ the weights' moving average

AVERAGED = replace(COURSE, average=0.9)


def test_what_is_measured_and_left_is_the_moving_average(tmp_path: Path) -> None:
    """Every step's weights are noted by a pupil of the plain course, which takes the same steps."""
    noted: list[dict[str, Tensor]] = []

    class Noting(Toy):
        def pieces(self, batch: np.ndarray) -> list[tuple[np.ndarray, float]]:
            noted.append(weights(self))
            return super().pieces(batch)

    pupil = Noting(scores=[None] * 6)
    train(pupil, COURSE, folder=tmp_path / "plain", progress=Silent())
    noted.append(weights(pupil))
    wanted = noted[0]["3.weight"]
    for step, seen in enumerate(noted[1:], 1):
        kept = min(0.9, step / (step + 10))
        wanted = kept * wanted + (1 - kept) * seen["3.weight"]
    found, _, averaged = trained(tmp_path / "averaged", AVERAGED, scores=[None] * 6)
    torch.testing.assert_close(found["3.weight"], wanted)
    torch.testing.assert_close(averaged.seen[-1]["3.weight"], wanted)
    assert not torch.allclose(found["3.weight"], noted[-1]["3.weight"])


@pytest.mark.usefixtures("every_step")
@pytest.mark.parametrize("step", [1, 6, STEPS - 1])
def test_an_average_stopped_anywhere_goes_on_to_the_same_weights(tmp_path: Path, step: int) -> None:
    whole, _, _ = trained(tmp_path / "whole", AVERAGED)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "stopped", AVERAGED, stop_at=step)
    assert equal(trained(tmp_path / "stopped", AVERAGED)[0], whole)


# -------------------------------------------------------------------------------------------------- checkpoints not its own


@pytest.mark.parametrize(
    "change", [{"learning_rate": 0.02}, {"seed": 6}, {"epochs": 4}, {"batch_size": 8}, {"average": 0.5}]
)
@pytest.mark.usefixtures("every_step")
def test_a_checkpoint_of_another_course_is_ignored(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing], change: dict[str, Any]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, replace(COURSE, **change), stop_at=5)
    assert (tmp_path / "checkpoint.safetensors").is_file()
    found, _, pupil = trained(tmp_path)
    assert equal(found, whole[0])
    assert pupil.steps == STEPS


@pytest.mark.usefixtures("every_step")
def test_a_checkpoint_of_other_trained_parameters_is_ignored(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing]
) -> None:
    more = Toy(stop_at=5)
    more.module[0].bias.requires_grad_(True)  # type: ignore[index]
    with pytest.raises(KeyboardInterrupt):
        train(more, COURSE, folder=tmp_path, progress=Silent())
    assert equal(trained(tmp_path)[0], whole[0])


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x02\0\0\0\0\0\0\0{}"])
def test_a_spoilt_checkpoint_is_ignored(
    tmp_path: Path, whole: tuple[dict[str, Tensor], Standing], content: bytes
) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(content)
    assert equal(trained(tmp_path)[0], whole[0])


# ----------------------------------------------------------------------------------------------- early stopping, best weights


def test_the_weights_left_are_the_best_measured(tmp_path: Path) -> None:
    found, standing, pupil = trained(tmp_path, scores=[0.1, 0.5, 0.9, 0.4, 0.9, 0.2])
    assert (standing.best_score, standing.best_step) == (0.9, 6)
    assert equal(found, pupil.seen[2])
    assert not equal(found, pupil.seen[-1])


def test_waiting_in_vain_long_enough_ends_the_training(tmp_path: Path) -> None:
    course = replace(COURSE, patience=2)
    found, standing, pupil = trained(tmp_path, course, scores=[0.1, 0.5, 0.3, 0.5, 0.9, 0.9])
    assert standing.stopped
    assert standing.step == pupil.steps == 8
    assert equal(found, pupil.seen[1])
    again, _, other = trained(tmp_path, course, scores=[])
    assert other.steps == 0
    assert equal(again, found)


def test_a_better_score_begins_the_waiting_anew(tmp_path: Path) -> None:
    _, standing, _ = trained(tmp_path, replace(COURSE, patience=2), scores=[0.5, 0.1, 0.6, 0.1, 0.7, 0.1])
    assert not standing.stopped
    assert standing.step == STEPS


def test_with_nothing_to_measure_on_the_last_weights_are_left(tmp_path: Path) -> None:
    found, standing, pupil = trained(tmp_path, replace(COURSE, patience=1), scores=[None] * 6)
    assert (standing.best_step, standing.stopped) == (STEPS, False)
    assert equal(found, pupil.seen[-1])


def test_a_score_that_is_no_number_is_never_the_best(tmp_path: Path) -> None:
    found, _, pupil = trained(tmp_path, scores=[math.nan, 0.2, math.nan, 0.1, math.nan, math.nan])
    assert equal(found, pupil.seen[1])


def test_a_batch_in_pieces_is_learned_as_one(tmp_path: Path) -> None:
    class Whole(Toy):
        def pieces(self, batch: np.ndarray) -> list[tuple[np.ndarray, float]]:
            return [(batch, 1.0)]

    found = []
    for number, kind in enumerate((Toy, Whole)):
        pupil = kind()
        pupil.module[2].p = 0.0  # type: ignore[index, union-attr, assignment]
        standing = train(pupil, COURSE, folder=tmp_path / str(number), progress=Silent())
        found.append((weights(pupil), standing.history[-1]["loss"]))
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-5)
    for name, tensor in found[0][0].items():
        torch.testing.assert_close(tensor, found[1][0][name], atol=1e-4, rtol=1e-4)


def test_what_is_not_trained_is_left_alone(whole: tuple[dict[str, Tensor], Standing]) -> None:
    assert torch.equal(whole[0]["0.bias"], weights(Toy())["0.bias"])
    assert not torch.equal(whole[0]["3.bias"], weights(Toy())["3.bias"])


# -------------------------------------------------------------------------------------------------------- rates and progress


@given(total=st.integers(1, 500), warmup=st.floats(0, 1))
def test_the_learning_rate_rises_to_its_peak_and_falls_towards_nothing(total: int, warmup: float) -> None:
    shape = [loop._shape(step, total, warmup) for step in range(total)]
    rising = max(1, round(total * warmup))
    assert all(0 < share <= 1 for share in shape)
    assert shape[rising - 1] == 1
    assert all(a < b for a, b in pairwise(shape[:rising]))
    assert all(a > b for a, b in pairwise(shape[rising:]))
    if rising < total:
        assert shape[-1] == pytest.approx(1 / (total - rising))


def test_each_group_is_trained_at_its_own_rate(tmp_path: Path) -> None:
    class Still(Toy):
        def groups(self, learning_rate: float) -> list[dict[str, Any]]:
            first, second = super().groups(learning_rate)
            return [{**first, "lr": 0.0}, second]

    pupil = Still()
    before = weights(pupil)
    train(pupil, COURSE, folder=tmp_path, progress=Silent())
    after = weights(pupil)
    assert torch.equal(after["0.weight"], before["0.weight"])
    assert not torch.equal(after["3.weight"], before["3.weight"])


@pytest.mark.usefixtures("every_step")
def test_progress_tells_every_step_also_of_a_training_taken_up(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, stop_at=5)
    progress = Listening()
    train(Toy(), COURSE, folder=tmp_path, progress=progress)
    assert (progress.total, progress.moved) == (STEPS, STEPS)
    assert progress.figures == {"loss", "score", "examples_per_second"}


if __name__ == "__main__":
    loop._SECONDS_BETWEEN_CHECKPOINTS = -1.0
    train(Toy(pause=0.1), COURSE, folder=Path(sys.argv[1]), progress=Silent())
