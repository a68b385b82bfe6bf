"""The prediction log read again: answers with the truth that was told of them, opened where they are sealed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from metier.serve.log.entry import input_bytes, input_hash
from metier.serve.log.sealing import Sealer
from metier.store.records import Store

_PIECE = 1000


def joined(
    store: Store, *, expert: str | None = None, since: str = "", sealer: Sealer | None = None
) -> Iterator[dict[str, Any]]:
    """Answers in the order of their ids, each with `truth` and `truth_at` where a truth was told: the last one counts.

    A truth counts only if its teller's key was for that expert. `prediction`, `input` and `truth` are None where they
    are sealed and no `sealer` is given. Raises ResourceError, RecordError.
    """
    import sqlalchemy

    from metier.store.tables.serving import predictions

    after = ""
    while True:
        asked = sqlalchemy.select(predictions).where(predictions.c.id > after, predictions.c.at >= since)
        if expert is not None:
            asked = asked.where(predictions.c.expert == expert)
        with store.read() as connection:
            rows = connection.execute(asked.order_by(predictions.c.id).limit(_PIECE)).mappings().all()
            found = [_opened(dict(row), sealer) for row in rows]
            truths = _truths(connection, found, sealer)
        for row in found:
            row["truth"], row["truth_at"] = truths.get(row["id"], (None, None))
            yield row
        if len(found) < _PIECE:
            return
        after = found[-1]["id"]


def ids_of(store: Store, row: Any, sealer: Sealer | None = None) -> list[str]:
    """The answers that were given to an input, found by its hash: plain, and with every key of `sealer`."""
    import sqlalchemy

    from metier.store.tables.serving import predictions

    hashes = [input_hash(row), *(sealer.digests(input_bytes(row)) if sealer is not None else ())]
    with store.read() as connection:
        asked = (
            sqlalchemy.select(predictions.c.id).where(predictions.c.input_hash.in_(hashes)).order_by(predictions.c.id)
        )
        return list(connection.execute(asked).scalars())


def _truths(connection: Any, found: list[dict[str, Any]], sealer: Sealer | None) -> dict[str, tuple[Any, str]]:
    import sqlalchemy

    from metier.store.tables.serving import feedback

    experts = {row["id"]: row["expert"] for row in found}
    asked = sqlalchemy.select(feedback).where(feedback.c.prediction_id.in_(list(experts))).order_by(feedback.c.id)
    truths: dict[str, tuple[Any, str]] = {}
    for row in connection.execute(asked).mappings():
        allowed = row["experts"]
        if allowed is not None and experts[row["prediction_id"]] not in json.loads(allowed):
            continue
        if row["sealed"] is None:
            truth = json.loads(row["truth"])
        else:
            truth = None if sealer is None else sealer.open(row["id"], row["sealed"])["truth"]
        truths[row["prediction_id"]] = (truth, row["at"])
    return truths


def _opened(row: dict[str, Any], sealer: Sealer | None) -> dict[str, Any]:
    sealed = row.pop("sealed")
    said = json.loads(row["prediction"]) if row["prediction"] is not None else {}
    if sealed is not None and sealer is not None:
        opened = sealer.open(row["id"], sealed)
        said, row["input"] = opened["prediction"], opened["input"]
    summary = row["summary"]
    row |= {name: said.get(name) for name in ("prediction", "low", "high")}
    return {**row, "summary": None if summary is None else json.loads(summary)}
