"""Policy: what an expert must show before it may go live, as one small file (JSON or TOML).

A starting point ships for finance, health and general use: `--policy finance`. Every gate is optional; one that is
left out is not asked. Limits hold the worse end of an interval (the low one for `min`, the high one for `max`) unless
`bound` says otherwise.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from metier import files
from metier.errors import UsageError

FOLDER = Path(__file__).parent / "policies"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bound(_Part):
    """The least, the greatest, or both, that a figure may be."""

    min: float | None = None
    max: float | None = None
    bound: Literal["low", "value", "high"] | None = None

    @model_validator(mode="after")
    def _something(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("wants min, max or both")
        return self


class GroupGap(Bound):
    """A bound on the gap between groups; `of` is the kind of gap, `errors` where there are labels."""

    of: Literal["selection", "errors", "accuracy", "mean_error", "mean_absolute_error"] = "errors"


class Policy(_Part):
    """All gates of a release, and the approvals it needs."""

    name: str = Field(description="What it is called.", min_length=1)
    about: str = Field("", description="What it is for, in a sentence.")
    figures: dict[str, Bound] = Field(
        {}, description="Any figure of `evaluate --json` by its dotted path (`accuracy.low`, `calibration.ece`)."
    )
    rows: int | None = Field(None, ge=1, description="How many rows the newest evaluation must have, at least.")
    gain: Bound | None = Field(None, description="The gain over the generic base.")
    group_gap: GroupGap | None = Field(None, description="The largest gap between groups, of every column compared.")
    robustness_loss: Bound | None = Field(None, description="What the costliest middling change of the inputs loses.")
    forgetting: Bound | None = Field(None, description="The share of general ability that was kept.")
    membership_auc: Bound | None = Field(None, description="How well an attacker tells rows that were learnt from.")
    calibration_error: Bound | None = Field(None, description="The gap between confidence and truth (ECE).")
    conformal_coverage: Bound | None = Field(None, description="How often the sets of answers hold the true one.")
    leakage: int | None = Field(None, ge=0, description="Leaks that the data room found and nobody resolved, at most.")
    findings: int | None = Field(None, ge=0, description="Rows of the data room's proposals left undone, at most.")
    licences: tuple[str, ...] = Field((), description="Licences that the base may have.")
    data_days: float | None = Field(None, gt=0, description="How old the training data may be, in days.")
    evaluation_days: float | None = Field(None, gt=0, description="How old an evaluation may be, in days.")
    test_data: tuple[str, ...] = Field((), description="SHA-256 of the files that evaluations must be on.")
    documents: bool = Field(False, description="Whether the release's documents must be complete.")
    validation: bool = Field(False, description="Whether every finding of a validator must be closed.")
    ethical_review: bool = Field(False, description="Whether the ethical review must be done, with nothing refused.")
    security: bool = Field(False, description="Whether base, ledger and key must be sound, and no file run code.")
    approvals: dict[Literal["validator", "approver", "auditor", "operator", "admin"], int] = Field(
        {"approver": 1}, description="How many people must approve, by role; never an author, nobody twice."
    )
    registered: bool = Field(False, description="Whether approvals count from registered people only.")

    def digest(self) -> str:
        """The SHA-256 that approvals sign."""
        return files.digest(self.model_dump(mode="json"))


def names() -> list[str]:
    """The policies that ship with metier."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(policy: str | Path) -> Policy:
    """A policy from a file (.json, .toml), or one that ships by its name. Raises UsageError naming all problems."""
    path = Path(policy)
    if not path.exists() and str(policy) in names():
        path = FOLDER / f"{policy}.toml"
    try:
        text = path.read_text(encoding="utf-8-sig")
        return read(_toml(text) if path.suffix.lower() == ".toml" else json.loads(text), str(policy))
    except (OSError, ValueError) as error:
        raise UsageError(
            "no-policy",
            "A policy is a JSON or TOML file, or one that ships with metier.",
            found=f"{policy}: {error}",
            fix=f"Give a file, or one of {', '.join(names())}.",
        ) from error


def read(table: Any, where: str) -> Policy:
    """A policy from plain data. Raises UsageError naming all that is wrong."""
    try:
        return Policy.model_validate(table)
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, item['loc'])) or 'policy'}: {item['msg']}" for item in error.errors(include_url=False)
        ]
        raise UsageError(
            "bad-policy",
            "Every gate of a policy must be known, and its limits make sense.",
            found=f"{where}: {'; '.join(problems)}",
            fix=f"The gates are {', '.join(Policy.model_fields)}; docs/governing.md tells each.",
        ) from None


def _toml(text: str) -> Any:
    import tomllib

    return tomllib.loads(text)
