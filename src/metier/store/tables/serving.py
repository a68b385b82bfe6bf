"""What serving keeps: keys (hashed), every answer given, and what its askers later found to be true."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, String, Table, Text

from metier.store.tables import metadata

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", Text, nullable=False, index=True),
    Column("hash", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("experts", Text),
    Column("rate", Float),
    Column("created", String(27), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("expires", String(27)),
    Column("revoked", String(27)),
)

# `share` is live, canary or shadow; a shadow's `beside` is the answer that was given. `sealed` holds what is encrypted.
predictions = Table(
    "predictions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(27), nullable=False, index=True),
    Column("request", String(64), nullable=False),
    Column("expert", Text, nullable=False, index=True),
    Column("version", Text, nullable=False),
    Column("share", String(8), nullable=False),
    Column("beside", String(32)),
    Column("caller", Text, nullable=False),
    Column("prediction", Text),
    Column("confidence", Float),
    Column("abstain", Boolean, nullable=False),
    Column("latency_ms", Float, nullable=False),
    Column("summary", Text),
    Column("input_hash", String(64), index=True),
    Column("input", Text),
    Column("sealed", Text),
)

# No foreign key: a truth may be told before its prediction has been written here, and after that was erased.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(27), nullable=False, index=True),
    Column("prediction_id", String(32), nullable=False, index=True),
    Column("caller", Text, nullable=False),
    Column("experts", Text),
    Column("truth", Text),
    Column("sealed", Text),
)
