"""All routes on one page, from the OpenAPI document: no script, nothing from elsewhere."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .3rem; }
h2 b { font-family: ui-monospace, monospace; }
pre { padding: .7rem; border: 1px solid #8886; border-radius: .3rem; overflow-x: auto; white-space: pre-wrap; }
table { border-collapse: collapse; } td { padding: .1rem 1rem .1rem 0; vertical-align: top; }
summary { cursor: pointer; }
"""


def page(document: dict[str, Any]) -> str:
    """The page of an OpenAPI document, as HTML."""
    return _page(json.dumps(document))


@lru_cache(maxsize=4)
def _page(text: str) -> str:
    document = json.loads(text)
    parts = [f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}</h1>"]
    parts.append(f"<p>{escape(document['info'].get('description', ''))}</p>")
    parts.append('<p>For programs: <a href="/openapi.json">openapi.json</a>.</p>')
    for path, methods in document["paths"].items():
        for method, about in methods.items():
            parts.append(_route(document, method, path, about))
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>metier: routes</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style><body><main>{"".join(parts)}</main>'
    )


def _route(document: dict[str, Any], method: str, path: str, about: dict[str, Any]) -> str:
    parts = [f"<h2><b>{method.upper()} {escape(path)}</b></h2><p>{escape(about.get('description', ''))}</p>"]
    body = about.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    if body is not None:
        parts.append(f"<pre>{escape(json.dumps(_example(document, body), indent=1))}</pre>")
    rows = [
        f"<tr><td>{escape(str(status))}<td>{escape(answer['description'])}"
        for status, answer in about["responses"].items()
    ]
    parts.append(f"<details><summary>Answers</summary><table>{''.join(rows)}</table></details>")
    return "".join(parts)


def _example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value that a schema would take, from its own examples where it has some."""
    if "$ref" in schema:
        return _example(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    if schema.get("examples"):
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    if schema.get("type") == "object":
        return {name: _example(document, each) for name, each in schema.get("properties", {}).items()}
    return None
