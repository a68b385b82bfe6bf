"""What the routes take and give, for checking and for the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

Cell = str | bool | int | FiniteFloat | None
Row = str | dict[str, Cell]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PredictRequest(_Body):
    """Rows for one expert: texts, or objects with the columns it reads."""

    expert: Name = Field(examples=["banking"])
    inputs: list[Row] = Field(min_length=1, examples=[["my card is gone"]])


class ExplainRequest(_Body):
    """One row, and how its answer is explained; the choices are those of `metier explain`."""

    expert: Name = Field(examples=["banking"])
    input: Row = Field(examples=["my card is gone"])
    method: str | None = Field(None, max_length=100)
    examples: int | None = Field(None, ge=0, le=100)
    counterfactual: bool | None = None


class SimilarRequest(_Body):
    """One row, and how many of the rows most like it among those that the expert learnt from."""

    expert: Name = Field(examples=["banking"])
    input: Row = Field(examples=["my card is gone"])
    k: int = Field(5, ge=1, le=100)


class FeedbackRequest(_Body):
    """What was true, whenever it is known; a later truth of the same id takes the place of an earlier one."""

    id: str = Field(pattern="^[0-9a-f]{32}$", examples=["0193b2c4d5e60a1b2c3d4e5f60718293"])
    truth: Annotated[str, Field(max_length=20_000)] | bool | int | FiniteFloat = Field(examples=["card_lost"])


class LoadRequest(_Body):
    """A release (NAME@VERSION) or an expert's folder in the workspace."""

    reference: str = Field(min_length=1, max_length=1000, examples=["banking@3"])


class CanaryRequest(_Body):
    """The version that gets a share of requests; null ends the canary."""

    reference: str | None = Field(max_length=1000, examples=["banking@4"])
    share: float = Field(0.1, gt=0, lt=1, strict=False)


class ShadowRequest(_Body):
    """The version that answers unheard; null ends the shadow."""

    reference: str | None = Field(max_length=1000, examples=["banking@4"])


class Prediction(BaseModel):
    """One answer. `id` is what feedback is told by; numbers have an interval `low` to `high`."""

    id: str
    prediction: Any
    confidence: float
    abstain: bool
    version: str
    low: float | None = None
    high: float | None = None


class PredictAnswer(BaseModel):
    """An answer a row, in order."""

    predictions: list[Prediction]


class SimilarAnswer(BaseModel):
    """The rows most like the one asked, the nearest first."""

    similar: list[dict[str, Any]]


class FeedbackAnswer(BaseModel):
    """`known` says whether this server remembers giving that answer; `note` what follows where it does not."""

    id: str
    feedback: str
    known: bool
    note: str


class ExpertsAnswer(BaseModel):
    """The experts that the caller may know of."""

    experts: list[dict[str, Any]]


class RouteAnswer(BaseModel):
    """Where requests for an expert go now."""

    expert: str
    live: str | None
    reference: str
    canary: dict[str, Any] | None
    shadow: str | None
    before: list[str]
    followed: bool


class Status(BaseModel):
    """How the server is."""

    status: Literal["ok", "ready"]


class ProblemDetails(BaseModel):
    """What must hold, what was found, what to do next; `code` is a short stable word."""

    code: str
    problem: str
    found: str
    fix: str


class Problem(BaseModel):
    """Every error of every route."""

    error: ProblemDetails
