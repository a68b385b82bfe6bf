"""The ledger: one row an act, chained by hashes. Times and details are kept as the very text that was hashed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table, Text

from metier.store.tables import metadata

ledger = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("id", String(36), nullable=False, unique=True),
    Column("at", String(27), nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("act", String(64), nullable=False, index=True),
    Column("subject", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("link", String(64), nullable=False),
)
