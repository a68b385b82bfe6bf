"""The routes that answer: predict, explain, similar; and feedback, which tells what was true."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from metier.serve.problems import Refused
from metier.serve.routes.common import here, problems
from metier.serve.schemas import (
    ExplainRequest,
    FeedbackAnswer,
    FeedbackRequest,
    PredictAnswer,
    PredictRequest,
    SimilarAnswer,
    SimilarRequest,
)

router = APIRouter(prefix="/v1", tags=["answers"])
_LATER = "This server does not remember giving that answer. The truth is kept, and counts once the answer is found."


@router.post("/predict", responses={200: {"model": PredictAnswer}, **problems(404, 409, 504)})
async def predict(body: PredictRequest, http: HttpRequest) -> Response:
    """Answer rows with an expert, one answer a row, in order; needs the role predict."""
    service, request = here(http)
    answers = await service.predict(request, body.expert, body.inputs)
    # Not through pydantic once more: what is built here has the right shape, and this is the busiest route.
    return Response(json.dumps({"predictions": answers}), media_type="application/json")


@router.post("/explain", responses=problems(404, 409, 504))
async def explain(body: ExplainRequest, http: HttpRequest) -> Response:
    """Why an expert answers a row as it does, in the shape of `metier explain --json`; needs the role explain."""
    service, request = here(http)
    service.allow(request.caller, "explain", body.expert)
    service.check_rows([body.input])
    version, _ = service.traffic.route(body.expert).chosen(request.id)
    asked = {"method": body.method, "examples": body.examples, "counterfactual": body.counterfactual}
    choices = {name: value for name, value in asked.items() if value is not None}
    found = await service.slowly(service.engine.explain, version.key, body.input, **choices)
    return Response(json.dumps({**found, "version": version.version}), media_type="application/json")


@router.post("/similar", responses={200: {"model": SimilarAnswer}, **problems(404, 409, 504)})
async def similar(body: SimilarRequest, http: HttpRequest) -> Response:
    """The rows an expert learnt from that are most like this one; needs the role explain."""
    service, request = here(http)
    service.allow(request.caller, "explain", body.expert)
    service.check_rows([body.input])
    version, _ = service.traffic.route(body.expert).chosen(request.id)
    found = await service.slowly(service.engine.similar, version.key, body.input, body.k)
    return Response(json.dumps({"similar": found}), media_type="application/json")


@router.post("/feedback", status_code=202, response_model=FeedbackAnswer, responses=problems())
async def feedback(body: FeedbackRequest, http: HttpRequest) -> FeedbackAnswer:
    """Tell what was true of an answer, by its id, whenever that is known; needs the role feedback.

    A truth of an id that this server does not remember (another server gave it, or it was long ago) is kept, too.
    """
    service, request = here(http)
    service.allow(request.caller, "feedback")
    expert = service.book.expert_of(body.id)
    if expert is not None:
        service.allow(request.caller, "feedback", expert)
    if isinstance(body.truth, int) and abs(body.truth) >= 2**63:
        raise Refused(
            422,
            "bad-body",
            "A truth must be a text or a number of up to 64 bits.",
            found="a longer number",
            fix="Give it as a text.",
        )
    experts = request.caller.experts("feedback")
    kept = service.book.truth(body.id, body.truth, request.caller.name, experts)
    service.metrics.feedback.inc()
    known = expert is not None
    return FeedbackAnswer(id=body.id, feedback=kept, known=known, note="" if known else _LATER)
