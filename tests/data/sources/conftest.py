"""What the tests of data sources share."""

from __future__ import annotations

import secrets

import pytest


@pytest.fixture
def table_name() -> str:
    """A table's name that no other test has."""
    return f"t{secrets.token_hex(4)}"
