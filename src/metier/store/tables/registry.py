"""The registry as it stands now: releases, their aliases, people. How it came to be is in the ledger."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, text

from metier.store.tables import metadata

# `record` is the number of the ledger's record that last changed the row.
releases = Table(
    "releases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("stage", String(16), nullable=False),
    Column("manifest", String(64), nullable=False, index=True),
    Column("run", Text, nullable=False),
    Column("root", String(64), nullable=False),
    Column("record", BigInteger, nullable=False),
    Index(
        "uq_releases_live",
        "name",
        unique=True,
        sqlite_where=text("stage = 'live'"),
        postgresql_where=text("stage = 'live'"),
    ),
)

aliases = Table(
    "aliases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("alias", String(64), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("record", BigInteger, nullable=False),
)

# One row a person and role; `public` is the person's own key in hexadecimal, "" where there is none.
people = Table(
    "people",
    metadata,
    Column("person", String(255), primary_key=True),
    Column("role", String(16), primary_key=True),
    Column("name", Text, nullable=False),
    Column("public", String(64), nullable=False),
    Column("record", BigInteger, nullable=False),
)
