"""The OpenAPI document is held against the server by schemathesis: whatever it allows is answered, and never with 5xx."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.serve.running import ADMIN, Running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KEY = {"authorization": f"Bearer {ADMIN}"}


def test_what_the_document_allows_is_answered(server: Running) -> None:
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    # The server is others' too: what takes its expert away is asked for elsewhere.
    operations = [found.ok() for found in document.exclude(path_regex="/(unload|load)$").get_all_operations()]
    assert len(operations) == 12

    for operation in operations:

        @given(operation.as_strategy())
        @settings(
            max_examples=10,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            database=None,
        )
        def answered(case: schemathesis.Case) -> None:
            case.validate_response(case.call(headers=KEY), checks=CHECKS)

        answered()
