"""Experts of every rung on tiny bases, written as tuning writes them; their weights are drawn, not trained."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metier import expert as experts
from metier import tasks
from metier.data.dataset import Column, Schema
from metier.expert import Expert
from metier.export import export
from metier.govern.record import seal_expert
from metier.plan import Plan
from metier.tasks import text_rungs
from metier.tasks.blend import Blend
from metier.tasks.classes import Classes
from metier.tasks.contract import Predictor, Target
from metier.tasks.quantity import Quantity
from metier.tasks.words import fit_words
from metier.trunk import base as bases
from metier.trunk import onnx
from metier.trunk.features import Trunk

LABELS = Classes(("card", "fees", "login", "transfer"))
TEXTS = [
    "my card does not work 3",
    "what about the fee today",
    "please help with the login, the login and the password again and again",
    "card",
    "is the standing order free of trouble 77 and why is the visa card like this",
    "Unknown wörds ??",
]
Make = Callable[..., Path]


class Maker:
    """Writes experts on a base into a folder of their own."""

    def __init__(self, folder: Path, base: str) -> None:
        self.folder, self.base_is = folder, base
        self.trunk = Trunk(bases.find(base))

    def head(self, target: Target, seed: int) -> Any:
        import torch

        from metier.tune.heads import Head

        drawn = torch.Generator().manual_seed(seed)
        return Head(
            3 * torch.randn(target.width, self.trunk.width, generator=drawn), torch.randn(target.width, generator=drawn)
        )

    def frozen(self, target: Target = LABELS, seed: int = 0) -> Any:
        return text_rungs.FrozenPredictor(self.trunk, self.head(target, seed))

    def tuned(self, rung: str, *, first: int = 2, rank: int = 4, target: Target = LABELS, seed: int = 0) -> Any:
        import torch

        from metier.tune import adapters
        from metier.tune.tuned import ADAPTER, FULL

        weights = self.folder / f"weights-{rung}-{first}-{rank}-{target.width}-{seed}"
        weights.mkdir()
        model = bases.load_model(self.trunk.base)
        torch.manual_seed(seed)
        if rung == "adapter":
            opened = adapters.open_adapter(model, first, rank=rank, alpha=2 * rank, seed=seed, fused=False)
            for name, parameter in opened.named_parameters():
                if ".lora_B." in name:
                    torch.nn.init.normal_(parameter, std=0.1)
            adapters.save_adapter(opened, weights, self.trunk.base)
        else:
            for parameter in adapters.open_blocks(model, first).parameters():
                if parameter.requires_grad:
                    parameter.detach().add_(0.05 * torch.randn(parameter.shape))
            adapters.save_blocks(model, weights)
        self.head(target, seed).save(weights / "head.safetensors")
        self.head(target, seed + 1).save(weights / "start.safetensors")
        return {"adapter": ADAPTER, "full": FULL}[rung].load(weights, self.trunk, target)

    def write(
        self,
        name: str,
        rung: str,
        predictor: Predictor,
        *,
        target: Target = LABELS,
        evidence: Mapping[str, Any] | None = None,
    ) -> Path:
        classes = target.width > 1
        schema = Schema((column("text", "text"), column("said", "category" if classes else "number")), "said")
        experts.write(
            self.folder / name,
            plan=Plan.of(name=name),
            task=tasks.get("text-classification" if classes else "text-regression"),
            target=target,
            base=self.trunk.base,
            base_is=self.base_is,
            rung=rung,
            predictor=predictor,
            generic=("majority", text_rungs.Constant(np.zeros(target.width))),
            calibration={"temperature": 2.5} if classes else {"half_width": 1.5, "guess_half_width": 4.0},
            threshold=0.5 if classes else None,
            schema=schema,
            reads=["text"],
            evidence=evidence or {},
        )
        return self.folder / name


def column(name: str, role: Any) -> Column:
    return Column(name, role, "", 0, 2, ())


@pytest.fixture(scope="session")
def maker(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("served"), str(tiny_base))


@pytest.fixture(scope="session")
def served(maker: Maker, tiny_base: Path) -> dict[str, Path]:
    """Experts by name. Only to be read: all tests share them."""
    words = fit_words(TEXTS * 2, np.tile(np.arange(6) % 4, 2), LABELS)
    numbers = fit_words(TEXTS, np.arange(6.0), Quantity())
    short = Maker(maker.folder / "short", f"{tiny_base}:2")
    short.folder.mkdir()
    groups = {"columns": ["region"], "label": "yes", "shifts": {"north": 1.5, "south": -0.5}}
    two = Classes(("no", "yes"), "yes")
    found = {
        "majority": maker.write("majority", "majority", text_rungs.Constant(np.array([0.1, 0.2, 0.7, 0.0]))),
        "linear": maker.write("linear", "linear", words),
        "generic": maker.write("generic", "generic", maker.frozen(seed=1)),
        "frozen": maker.write("frozen", "frozen", maker.frozen(seed=2)),
        "blended": maker.write("blended", "frozen", Blend(maker.frozen(seed=3), words, 0.3, 1.2, 0.7)),
        "adapter": maker.write("adapter", "adapter", Blend(maker.tuned("adapter"), words, 0.2, 0.9, 0.8)),
        "twin": maker.write("twin", "adapter", maker.tuned("adapter", seed=7)),
        "wide": maker.write("wide", "adapter", maker.tuned("adapter", first=0, rank=8, seed=5)),
        "full": maker.write("full", "full", maker.tuned("full", seed=6)),
        "number": maker.write(
            "number", "frozen", Blend(maker.frozen(Quantity(), 4), numbers, 0.4, 1.0, 1.0), target=Quantity()
        ),
        "tuned-number": maker.write(
            "tuned-number", "adapter", maker.tuned("adapter", target=Quantity(), seed=9), target=Quantity()
        ),
        "groups": maker.write(
            "groups",
            "adapter",
            maker.tuned("adapter", target=two, seed=8),
            target=two,
            evidence={"group_thresholds": groups},
        ),
        "short": short.write("short", "frozen", short.frozen(seed=2)),
        "short-adapter": short.write("short-adapter", "adapter", short.tuned("adapter", first=1, seed=3)),
    }
    found["merged"] = Expert.load(found["adapter"]).merge(maker.folder / "merged")
    found["rescaled"] = rescaled(found["wide"], maker.folder / "rescaled", maker.trunk)
    if onnx.available():
        export(found["frozen"], maker.folder / "onnx")
        found["onnx"] = maker.folder / "onnx"
    return found


def rescaled(source: Path, folder: Path, trunk: Trunk) -> Path:
    from metier.tune.tuned import ADAPTER

    shutil.copytree(source, folder)
    ADAPTER.rescale(source, 0.5, folder, trunk)
    seal_expert(folder)
    return folder
