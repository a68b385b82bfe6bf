"""What every section of the Plan is: choices that can't be changed, and no others."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Some choices that belong together."""

    model_config = ConfigDict(frozen=True, extra="forbid")
