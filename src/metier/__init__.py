"""metier: turn a general pre-trained model into an expert of one trade, with the evidence that it is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from metier.choose.room import bases
    from metier.data.inspect import inspect
    from metier.errors import MetierError
    from metier.expert import Expert, Prediction
    from metier.govern.record import verify
    from metier.lifecycle import compare, curate, evaluate, explain, predict, read, tune
    from metier.plan import Plan

# Public name -> the module it lives in; opened on first use, so that `import metier` stays quick.
_HOMES = {
    "Expert": "metier.expert",
    "MetierError": "metier.errors",
    "Plan": "metier.plan",
    "Prediction": "metier.expert",
    "bases": "metier.choose.room",
    "compare": "metier.lifecycle",
    "curate": "metier.lifecycle",
    "evaluate": "metier.lifecycle",
    "explain": "metier.lifecycle",
    "inspect": "metier.lifecycle",
    "predict": "metier.lifecycle",
    "read": "metier.lifecycle",
    "tune": "metier.lifecycle",
    "verify": "metier.govern.record",
}

__all__ = [
    "Expert",
    "MetierError",
    "Plan",
    "Prediction",
    "__version__",
    "bases",
    "compare",
    "curate",
    "evaluate",
    "explain",
    "inspect",
    "predict",
    "read",
    "tune",
    "verify",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'metier' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
