"""docs/serving-http.md is complete: every route, every role and every code that serving refuses with stands in it."""

from __future__ import annotations

import ast
from pathlib import Path

from metier.serve import problems
from metier.serve.access.keys import ROLES
from metier.serve.routes import about, answers, operate

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "serving-http.md").read_text(encoding="utf-8")
RAISED = {"Refused", "UsageError", "ResourceError", "RecordError", "ExpertError", "DataError"}


def codes() -> set[str]:
    """The codes in serve/, the engine's own page apart."""
    found = set(problems._STATUS)
    for path in sorted((ROOT / "src" / "metier" / "serve").rglob("*.py")):
        if path.parent.name == "engine":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                words = [word.value for word in node.args if isinstance(word, ast.Constant)]
                found |= {word for word in words if isinstance(word, str) and " " not in word}
    return found


def test_every_route_is_documented() -> None:
    routes = [route for router in (about.router, answers.router, operate.router) for route in router.routes]
    named = {f"`{method} {route.path}`" for route in routes for method in route.methods}
    assert len(named) >= 14
    assert {name for name in named if name not in PAGE} == set()


def test_every_code_and_role_is_documented() -> None:
    found = codes()
    assert len(found) >= 50
    assert {code for code in found if f"`{code}`" not in PAGE} == set()
    assert {role for role in ROLES if f"`{role}`" not in PAGE} == set()
