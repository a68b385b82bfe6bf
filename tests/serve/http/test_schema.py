"""The OpenAPI document is held against the server by schemathesis: whatever it allows is answered, and never with 5xx."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance

from tests.serve.running import ADMIN, Running


@pytest.fixture
def document(server: Running) -> schemathesis.BaseSchema:
    found = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    # Asked of a server that others use, too: what takes its expert away is tested elsewhere.
    return found.exclude(path_regex="/(unload|load)$")


schema = schemathesis.pytest.from_fixture("document")


@schema.parametrize()
@settings(
    max_examples=12,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_what_the_document_allows_is_answered(case: schemathesis.Case) -> None:
    answer = case.call(headers={"authorization": f"Bearer {ADMIN}"})
    checks = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.validate_response(answer, checks=checks)
