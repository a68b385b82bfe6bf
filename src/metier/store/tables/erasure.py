"""What was erased (by keyed hash), each erasure with its certificate, and the experts that are still to be re-tuned."""

from __future__ import annotations

from sqlalchemy import Column, Integer, String, Table, Text

from metier.store.tables import metadata

# `column` is empty for a text; the digest's key is not in the database.
tombstones = Table(
    "tombstones",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("column", Text, nullable=False),
    Column("erasure", String(32), nullable=False, index=True),
    Column("at", String(27), nullable=False),
)

erasures = Table(
    "erasures",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("certificate", Text, nullable=False),
)

# `done` and `retuned` (a run's name) are null until the expert has been tuned again without the rows.
erasure_experts = Table(
    "erasure_experts",
    metadata,
    Column("erasure", String(32), primary_key=True),
    Column("run", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("expert", String(64), nullable=False, index=True),
    Column("rows", Integer, nullable=False),
    Column("since", String(27), nullable=False),
    Column("done", String(27)),
    Column("retuned", Text),
)
