"""Differentially private training (DP-SGD, Abadi et al. 2016): an optimiser step that no single row can sway.

Every row's gradient is cut to one length before the rows are added up, and noise of that length drowns any one of them;
Opacus finds the rows' gradients and accounts for the privacy spent. Rows are drawn by chance (Poisson), as the account
supposes, and the random numbers come from a secret that is thrown away: whoever knew them could take the noise off.
"""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metier import files
from metier.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from metier.plan import Plan
    from metier.tasks.contract import Rung, Target

_SECRET = "secret.json"
# Renyi's (Mironov et al. 2019): a proven bound at any rate. The tighter numerical one (prv) takes a minute where
# epsilon is large and fails where every row is in every batch.
_ACCOUNTANT = "rdp"
COVERS = (
    "The guarantee covers what one training row, added or removed, changes in the weights of the adapter and its head. "
    "It does not cover: several rows of one person taken together; the names of labels and columns and the number of "
    "rows, taken as public; the confidence's calibration and the figures of reports, which come from held-out rows "
    "that trained nothing here; and the other rungs, which stay in the run's folder. Noise is drawn in floating point."
)


@dataclass(frozen=True)
class Budget:
    """What a private training spends: plain numbers, all of them in the record.

    `noise` is in units of `clip`, the longest a row's gradient may be; each step sees every row with probability
    `sample_rate`.
    """

    epsilon: float
    delta: float
    noise: float
    clip: float
    sample_rate: float
    steps: int

    def spent(self, steps: int) -> float:
        """Epsilon after so many steps, by the accountant's upper bound."""
        from opacus.accountants import create_accountant

        accountant = create_accountant(_ACCOUNTANT)
        accountant.history = [(self.noise, self.sample_rate, steps)]
        with _quiet():
            return float(accountant.get_epsilon(self.delta))

    def record(self, steps: int) -> dict[str, Any]:
        """What the settings, and with them the expert's evidence, say."""
        return {
            "epsilon": self.spent(steps),
            "delta": self.delta,
            "asked": self.epsilon,
            "noise": self.noise,
            "clip": self.clip,
            "sample_rate": self.sample_rate,
            "steps": steps,
            "accountant": _ACCOUNTANT,
            "covers": COVERS,
        }


def asked(plan: Plan) -> bool:
    """Whether the plan asks for differential privacy."""
    return plan.private.epsilon is not None


def check(rung: Rung | None, target: Target, plan: Plan) -> None:
    """Raise UsageError where the plan asks for a privacy that cannot be kept."""
    if not asked(plan):
        return
    problem = ""
    if rung is None or rung.name != "adapter":
        problem, fix = f"the rung {rung.name if rung else 'left to the ladder'}", "--rung adapter"
    elif not getattr(rung, "private", False):
        problem, fix = f"{rung.summary}, whose gradients are not had picture by picture", "Leave it out."
    elif target.width == 1:
        problem, fix = "a number to predict: how far it may reach would have to be known beforehand", "Leave it out."
    elif plan.ladder.refit:
        problem, fix = "a second fit on all rows, which would spend as much again", "--no-refit"
    elif plan.training.class_weights == "balanced" or plan.adapter.contrastive == "yes":
        problem, fix = "class weights or pairs, which are made from the labels without noise", "Leave them out."
    if problem:
        raise UsageError(
            "not-private", "--epsilon trains an adapter that chooses among labels, once.", found=problem, fix=fix
        )
    try:
        import opacus  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "needs-opacus",
            "--epsilon needs Opacus, which accounts for the privacy spent.",
            found="it is not installed",
            fix="pip install 'metier[dp]'",
        ) from error


def budget(plan: Plan, rows: int, epochs: int) -> Budget:
    """The noise with which `epochs` passes over so many rows spend the plan's epsilon, and no more."""
    from opacus.accountants.utils import get_noise_multiplier

    training, private = plan.training, plan.private
    assert private.epsilon is not None
    delta = private.delta if private.delta is not None else min(1e-5, 1 / (10 * rows))
    rate = min(1.0, training.batch_size / rows)
    steps = epochs * steps_of(rows, training.batch_size)
    with _quiet():
        noise = get_noise_multiplier(
            target_epsilon=private.epsilon,
            target_delta=delta,
            sample_rate=rate,
            steps=steps,
            accountant=_ACCOUNTANT,
            epsilon_tolerance=0.01,
        )
    return Budget(private.epsilon, delta, float(noise), training.clip, rate, steps)


def steps_of(rows: int, batch_size: int) -> int:
    """Steps that see as many rows as there are, on average."""
    return max(1, round(rows / min(rows, batch_size)))


def poisson(rows: int, batch_size: int, rng: np.random.Generator) -> Sequence[np.ndarray]:
    """One epoch's batches, each row in each of them by its own throw of the dice; one may be empty."""
    rate = min(1.0, batch_size / rows)
    return [np.flatnonzero(rng.random(rows) < rate) for _ in range(steps_of(rows, batch_size))]


def secret(folder: Path) -> int:
    """The seed of one private training: drawn once, kept only until the training is done, so that it can go on."""
    path = folder / _SECRET
    if not path.is_file():
        files.write_json(path, {"seed": secrets.randbits(62)})
    return int(files.read_json(path)["seed"])


def forget(folder: Path) -> None:
    """Throw the secret away."""
    (folder / _SECRET).unlink(missing_ok=True)


class PrivateStep:
    """The loop's step (`loop.Step`) with each row's gradient clipped and noise added: algorithm 1 of the paper."""

    def __init__(self, module: nn.Module, spend: Budget, rows: int) -> None:
        from opacus.grad_sample import GradSampleHooks
        from torch import nn

        self.spend = spend
        self.mean_rows = spend.sample_rate * rows
        self.checked = False
        # Each module once: Opacus would hook one that goes by two names twice and count its gradients twice.
        held = {id(m): m for m in module.modules() if any(p.requires_grad for p in m.parameters(recurse=False))}
        self.hooks = GradSampleHooks(nn.ModuleList(list(held.values())), loss_reduction="mean", strict=True)

    def __call__(
        self, pupil: Any, batch: Any, accelerator: Any, optimizer: Any, clip: float, trained: Mapping[str, Tensor]
    ) -> float:
        """Take one step; returns the batch's mean loss. Raises UsageError where the weights stood still or broke."""
        import torch

        pupil.module.train()
        sums = {name: torch.zeros_like(parameter) for name, parameter in trained.items()}
        total = 0.0
        for piece, share in pupil.pieces(batch) if len(batch) else ():
            optimizer.zero_grad(set_to_none=True)
            with accelerator.autocast():
                loss = pupil.loss(piece)
            with _quiet():
                accelerator.backward(loss)
            total += float(loss.detach()) * share
            self._add(sums, trained, len(piece))
        before = {name: parameter.detach().clone() for name, parameter in trained.items()}
        scale = self.spend.noise * self.spend.clip
        for name, parameter in trained.items():
            noise = torch.normal(0.0, scale, parameter.shape, device=parameter.device, dtype=parameter.dtype)
            parameter.grad = (sums[name] + noise) / self.mean_rows
        optimizer.step()
        _moved(before, trained)
        return total

    def _add(self, sums: Mapping[str, Tensor], trained: Mapping[str, Tensor], rows: int) -> None:
        """Clip these rows' gradients to one length, over all parameters together, and add them up."""
        import torch

        samples: dict[str, Any] = {name: parameter.grad_sample for name, parameter in trained.items()}  # type: ignore[attr-defined]
        if any(found is None or len(found) != rows for found in samples.values()):
            raise _fault("a trained weight got no gradient for each row")
        if not self.checked:
            for name, parameter in trained.items():
                # What backward gave for all rows together is the mean of what the hooks gave for each.
                if not torch.allclose(samples[name].mean(0), parameter.grad, rtol=1e-3, atol=1e-5):  # type: ignore[arg-type]
                    raise _fault(f"the rows' gradients of {name} do not add up to that of the batch")
            self.checked = True
        norms = torch.stack([found.flatten(1).norm(dim=1) for found in samples.values()]).norm(dim=0)
        factors = (self.spend.clip / (norms + 1e-6)).clamp(max=1.0)
        for name, found in samples.items():
            sums[name].add_(torch.einsum("n,n...->...", factors, found))
            trained[name].grad_sample = None  # type: ignore[attr-defined]

    def close(self) -> None:
        """Take the hooks off."""
        self.hooks.remove_hooks()


def _moved(before: Mapping[str, Tensor], trained: Mapping[str, Tensor]) -> None:
    """Noise moves every weight at every step; one that stood still is not the one that is trained (opacus #820)."""
    for name, parameter in trained.items():
        if not bool(parameter.isfinite().all()):
            raise _fault(f"{name} is no longer finite", "Lower --learning-rate.")
        if bool((parameter == before[name]).all()):
            raise _fault(f"{name} did not move", "Raise --learning-rate.")


def check_saved(folder: Path) -> None:
    """Raise UsageError unless the adapter that was written is finite and has left its start, where B is zero."""
    from safetensors.torch import load_file

    for name, tensor in load_file(folder / "adapter_model.safetensors").items():
        if not bool(tensor.isfinite().all()) or (".lora_B." in name and not bool(tensor.any())):
            raise _fault(f"{name} was written as it was before training")


def _fault(found: str, fix: str = "Please report it: the expert was not written.") -> UsageError:
    return UsageError("private-training-failed", "A private step must move every weight.", found=found, fix=fix)


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # The account's orders end where they end; the lowest trained layer's input needs no gradient.
        warnings.filterwarnings("ignore", message="Optimal order is the (largest|smallest) alpha")
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        yield
