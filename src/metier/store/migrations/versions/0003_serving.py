"""Keys, predictions and feedback of serving."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("experts", sa.Text),
        sa.Column("rate", sa.Float),
        sa.Column("created", sa.String(27), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("expires", sa.String(27)),
        sa.Column("revoked", sa.String(27)),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_name", "api_keys", ["name"])
    op.create_table(
        "predictions",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("expert", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("share", sa.String(8), nullable=False),
        sa.Column("beside", sa.String(32)),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("prediction", sa.Text),
        sa.Column("confidence", sa.Float),
        sa.Column("abstain", sa.Boolean, nullable=False),
        sa.Column("latency_ms", sa.Float, nullable=False),
        sa.Column("summary", sa.Text),
        sa.Column("input_hash", sa.String(64)),
        sa.Column("input", sa.Text),
        sa.Column("sealed", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_predictions"),
    )
    for name in ("at", "expert", "input_hash"):
        op.create_index(f"ix_predictions_{name}", "predictions", [name])
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", sa.String(27), nullable=False),
        sa.Column("prediction_id", sa.String(32), nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("experts", sa.Text),
        sa.Column("truth", sa.Text),
        sa.Column("sealed", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    for name in ("at", "prediction_id"):
        op.create_index(f"ix_feedback_{name}", "feedback", [name])
