"""The database's part: tombstones, erasures, experts to be re-tuned, and the rows of the prediction log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metier.data.erased import normal
from metier.errors import MetierError
from metier.govern.erasure import quotes
from metier.govern.erasure.subject import Subject, Traces, quotable
from metier.store.records import Store, exists, now, open_store
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from metier.govern.erasure.search import Taught

_PIECE = 2000


@dataclass(frozen=True)
class Pending:
    """An expert that still holds what was erased: it is to be tuned again before it is released or served on."""

    erasure: str
    run: str
    name: str
    expert: str  # the SHA-256 of its manifest
    rows: int
    since: str

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return dict(vars(self))


def pending(place: Workspace) -> list[Pending]:
    """The experts that are to be tuned again, oldest first; for gates, `metier releases` and `metier doctor`."""
    if not exists(place):
        return []
    from metier.store.tables.erasure import erasure_experts

    columns = [erasure_experts.c[name] for name in ("erasure", "run", "name", "expert", "rows", "since")]
    asked = erasure_experts.select().with_only_columns(*columns).where(erasure_experts.c.done.is_(None))
    store = open_store(place)
    try:
        with store.read() as connection:
            rows = connection.execute(asked.order_by(erasure_experts.c.since)).mappings()
            return [Pending(**row) for row in rows]
    finally:
        store.close()


def enter(
    connection: Connection, erasure: str, tombstones: Sequence[Mapping[str, str]], taught: Sequence[Taught]
) -> None:
    """Write tombstones and the experts to be tuned again; what is known already stays."""
    from metier.store.tables import erasure as tables

    at = now()
    for stone in tombstones:
        known = tables.tombstones.select().where(tables.tombstones.c.digest == stone["digest"])
        if connection.execute(known).first() is None:
            connection.execute(tables.tombstones.insert().values(**stone, at=at))
    for expert in taught:
        row = {"erasure": erasure, "run": expert.run, "name": expert.name, "expert": expert.expert, "since": at}
        connection.execute(tables.erasure_experts.insert().values(**row, rows=len({*expert.learnt, *expert.held_out})))


def retuned(connection: Connection, run: str, by: str) -> None:
    """An expert has been tuned again: nothing is pending for its run any more."""
    from metier.store.tables.erasure import erasure_experts as table

    waiting = (table.c.run == run) & table.c.done.is_(None)
    connection.execute(table.update().where(waiting).values(done=now(), retuned=by))


def certify(connection: Connection, erasure: str, actor: str, reason: str, certificate: Mapping[str, Any]) -> None:
    """Keep a certificate; a later one of the same erasure (after re-tuning) takes its place."""
    from metier.store.tables.erasure import erasures

    connection.execute(erasures.delete().where(erasures.c.id == erasure))
    text = json.dumps(certificate, ensure_ascii=True)
    connection.execute(erasures.insert().values(id=erasure, at=now(), actor=actor, reason=reason, certificate=text))


# -------------------------------------------------------------------------------------------- the prediction log


@dataclass(frozen=True)
class Logged:
    """Rows of the log that hold the subject: `ids` of answers, of feedback on them; `sealed` could not be read."""

    predictions: tuple[str, ...] = ()
    feedback: tuple[str, ...] = ()
    sealed: int = 0
    waiting: tuple[str, ...] = ()  # files of rows that are not in the database yet

    def as_json(self) -> dict[str, Any]:
        """Counts alone: ids of answers may lead to a person."""
        return {
            "predictions": len(self.predictions),
            "feedback": len(self.feedback),
            "sealed": self.sealed,
            "waiting": len(self.waiting),
        }


def logged(store: Store, subject: Subject, traces: Traces) -> Logged:
    """The answers whose input is the subject's, and the feedback on them."""
    from metier.serve.log.reading import ids_of
    from metier.serve.log.sealing import sealer

    # By the input's hash first: where the policy keeps no more than that, it is all there is to know it by.
    found = {id_ for text in traces.texts for id_ in ids_of(store, text, sealer())}
    sealed = 0
    with store.read() as connection:
        for row in _each(connection, "predictions", ("id", "input", "sealed")):
            content = row["input"] if row["sealed"] is None else _opened(row["id"], row["sealed"])
            if content is None:
                sealed += row["sealed"] is not None
            elif _about(content, subject, traces):
                found.add(str(row["id"]))
        rows = _each(connection, "feedback", ("id", "prediction_id")) if found else ()
        feedback = [str(row["id"]) for row in rows if row["prediction_id"] in found]
    return Logged(tuple(sorted(found)), tuple(feedback), sealed)


def releases(store: Store, manifests: Sequence[str]) -> list[dict[str, Any]]:
    """The releases of these experts, `{"release", "stage"}`, where there is a registry."""
    return [
        {"release": f"{row['name']}@{row['version']}", "stage": row["stage"]}
        for row in _registered(store)
        if row["manifest"] in manifests
    ]


def stage_of_run(store: Store, run: str) -> str:
    """The stage of a release whose run this is, `live` before others; empty where there is none."""
    stages = sorted(
        {str(row["stage"]) for row in _registered(store) if row["run"] == run}, key=lambda one: one != "live"
    )
    return stages[0] if stages else ""


def _registered(store: Store) -> list[Mapping[str, Any]]:
    import sqlalchemy

    with store.read() as connection:
        if not _has(connection, "releases"):
            return []
        columns = ("name", "version", "stage", "manifest", "run")
        table = sqlalchemy.table("releases", *(sqlalchemy.column(column) for column in columns))
        return [dict(row) for row in connection.execute(table.select()).mappings()]


def purge_log(connection: Connection, found: Logged) -> None:
    """Take these answers and the feedback on them out of the log."""
    import sqlalchemy

    for name, ids in (("feedback", found.feedback), ("predictions", found.predictions)):
        table = sqlalchemy.table(name, sqlalchemy.column("id"))
        for at in range(0, len(ids), 500):
            connection.execute(table.delete().where(table.c.id.in_(ids[at : at + 500])))


def older(connection: Connection, name: str, before: str, *, delete: bool) -> int:
    """How many rows of a log were written before a time; with `delete` they are gone."""
    import sqlalchemy

    if not _has(connection, name):
        return 0
    table = sqlalchemy.table(name, sqlalchemy.column("at"))
    old = table.c.at < before
    count = connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table).where(old)).scalar()
    if delete and count:
        connection.execute(table.delete().where(old))
    return int(count or 0)


def _opened(id_: str, sealed: str) -> Any:
    """What a sealed row holds of the input; None where its key is not here."""
    from metier.serve.log.sealing import sealer

    try:
        key = sealer()
        return None if key is None else key.open(id_, sealed)["input"]
    except (MetierError, KeyError, TypeError):
        return None


def _about(content: Any, subject: Subject, traces: Traces) -> bool:
    """Whether an input (a text, or a row as JSON) is the subject's."""
    value = content
    if isinstance(content, str):
        try:
            value = json.loads(content)
        except ValueError:
            value = content
    cells = [str(cell) for cell in (value.values() if isinstance(value, dict) else [value]) if cell is not None]
    texts = {normal(text) for text in traces.texts}
    if any(normal(cell) in texts for cell in cells):
        return True
    if isinstance(value, dict) and subject.column:
        return any(
            str(name).lower() == subject.column.lower() and str(cell) == subject.value for name, cell in value.items()
        )
    named = any(quotable(value) for value in traces.values)
    return named and quotes.redact(str(content), Traces((), traces.values)).count > 0


def _each(connection: Connection, name: str, columns: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    import sqlalchemy

    table = sqlalchemy.table(name, *(sqlalchemy.column(column) for column in columns))
    after = ""
    while True:
        asked = table.select().where(table.c.id > after).order_by(table.c.id).limit(_PIECE)
        rows = connection.execute(asked).mappings().all()
        yield from map(dict, rows)
        if len(rows) < _PIECE:
            return
        after = rows[-1]["id"]


def _has(connection: Connection, name: str) -> bool:
    import sqlalchemy

    return bool(sqlalchemy.inspect(connection).has_table(name))
