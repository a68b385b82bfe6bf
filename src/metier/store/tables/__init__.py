"""Every table of the records, a file a room; a change to one comes with a migration beside it."""

from __future__ import annotations

from sqlalchemy import MetaData

# Names that databases would choose each in their own way are chosen here: migrations need them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
