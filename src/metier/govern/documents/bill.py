"""The bill of materials: expert, base, data sets and software as CycloneDX, and the same as a page.

The library models components, hashes and licences; the model's own card (`modelCard`, CycloneDX 1.5 and later), which
it does not model yet, is added to its JSON.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time
from importlib import metadata
from typing import TYPE_CHECKING, Any

from metier.govern.documents import shared
from metier.govern.documents.basis import Basis, file_name
from metier.govern.documents.pieces import Cell, Document, Evidence, Part, Said, Table, text
from metier.govern.documents.sources import pointer
from metier.pages import words

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

FILE = "bill.cdx.json"
_SPACE = uuid.UUID("6f1c2c1e-6d0a-5e0e-9f2d-3a1f6f0f7a55")  # of serial numbers: the same sources give the same one
_ENVIRONMENT = "run/environment.json"


def write(basis: Basis) -> Document:
    """The bill as a page: every component, its version, licence and hash."""
    parts = (
        Part("Model", (_table(_models(basis)),)),
        Part("Data sets", (_table(_data(basis)),)),
        Part("Software recorded with the run", (_table(_recorded(basis)),), "Exactly what the expert was made with."),
        Part(
            "Software installed where this document was made",
            (_table(_installed(basis)),),
            "What metier needs besides.",
        ),
        shared.laws("cyclonedx"),
    )
    lead = f"What the expert is made of. {FILE} holds the same for programs."
    return Document("bill", f"{basis.dossier.name}: bill of materials", lead, parts, ("cyclonedx",))


def bom(basis: Basis) -> bytes:
    """The bill as CycloneDX 1.6 JSON: the same sources and day give the same bytes."""
    from cyclonedx.model.bom import Bom
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output.json import JsonV1Dot6

    root = str(basis.get("expert/manifest.json", "/root"))
    bill = Bom(serial_number=uuid.uuid5(_SPACE, f"{root} {basis.today.isoformat()}"))
    bill.metadata.timestamp = datetime.combine(basis.today, time(), UTC)
    recorded = str(basis.get(shared.ABOUT, "/version"))
    bill.metadata.tools.components.add(Component(name="metier", version=_version("metier") or recorded, bom_ref="tool"))
    models, sets = list(_models(basis)), list(_data(basis))
    software = [*_recorded(basis), *_installed(basis)]
    expert = _component(models[0], ComponentType.MACHINE_LEARNING_MODEL)
    bill.metadata.component = expert
    others = [_component(one, ComponentType.MACHINE_LEARNING_MODEL) for one in models[1:]]
    others += [_component(one, ComponentType.DATA) for one in sets]
    packages = [_component(one, ComponentType.LIBRARY) for one in software]
    for component in (*others, *packages):
        bill.components.add(component)
    bill.register_dependency(expert, [*others, *packages])
    whole = json.loads(JsonV1Dot6(bill).output_as_string())
    whole["metadata"]["component"]["modelCard"] = _model_card(basis)
    return (json.dumps(whole, indent=2, ensure_ascii=False, sort_keys=True) + "\n").encode()


Row = Mapping[str, Any]  # {"name", "version", "licence", "sha256", "kind", "evidence"}


def _models(basis: Basis) -> Iterator[Row]:
    about, manifest = shared.ABOUT, "expert/manifest.json"
    yield {
        "name": basis.dossier.name,
        "version": str(basis.get("registry.json", "/release/version") or basis.get(manifest, "/root")[:12]),
        "licence": _licence_said(basis, "licence"),
        "sha256": basis.sources[manifest].sha256,
        "kind": "expert",
        "evidence": Evidence(manifest, "/root"),
        "properties": {"metier:root": basis.get(manifest, "/root"), "metier:rung": basis.get(about, "/rung")},
    }
    base = basis.get(about, "/base", {})
    if not basis.dossier.uses_base:
        return
    yield {
        "name": base.get("name"),
        "version": str(base.get("sha256"))[:12],
        "licence": base.get("licence"),
        "sha256": base.get("sha256"),
        "kind": "base",
        "evidence": Evidence(about, "/base"),
        "properties": {"metier:architecture": base.get("architecture"), "metier:parameters": base.get("parameters")},
    }


def _data(basis: Basis) -> Iterator[Row]:
    places = [
        ("run/data.json", "/train", "training data"),
        ("run/data.json", "/test", "test data"),
        ("curation/data.json", "/train", "data before curation"),
    ]
    labels = ["evaluation"] + [f"evaluation-{n}" for n in range(2, len(basis.dossier.evaluations) + 1)]
    places += [(f"{label}/data.json", "/evaluated", "evaluation data") for label in labels]
    seen = set()
    for name, place, kind in places:
        found = basis.get(name, place)
        if isinstance(found, Mapping) and found["source"]["sha256"] not in seen:
            seen.add(found["source"]["sha256"])
            yield {
                "name": file_name(found["source"]["path"]),
                "version": found["source"]["sha256"][:12],
                "licence": _licence_said(basis, "data-licence"),
                "sha256": found["source"]["sha256"],
                "kind": kind,
                "evidence": Evidence(name, place + "/source/sha256"),
                "properties": {"metier:rows": found.get("rows")},
            }


def _recorded(basis: Basis) -> Iterator[Row]:
    packages = {"metier": basis.get(_ENVIRONMENT, "/metier"), **basis.get(_ENVIRONMENT, "/packages", {})}
    for name, version in packages.items():
        if version:
            place = "/metier" if name == "metier" else pointer("packages", name)
            licence = _licence(name) if _version(name) == version else None
            yield _package(name, version, licence, "run", Evidence(_ENVIRONMENT, place))


def _installed(basis: Basis) -> Iterator[Row]:
    """What metier needs and the run did not record, as it is installed here."""
    recorded = {_canonical(name) for name in ("metier", *basis.get(_ENVIRONMENT, "/packages", {}))}
    for name in sorted(_needed("metier") - recorded):
        if version := _version(name):
            yield _package(name, version, _licence(name), "installed", None)


def _package(name: str, version: str, licence: str | None, seen: str, evidence: Evidence | None) -> Row:
    return {
        "name": name,
        "version": version,
        "licence": licence,
        "sha256": None,
        "kind": "package",
        "evidence": evidence,
        "properties": {"metier:seen": seen},
    }


def _needed(root: str) -> set[str]:
    """The names of all packages that `root` needs, extras left out, as far as they are installed."""
    open_, seen = [root], set()
    while open_:
        name = open_.pop()
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for line in wanted:
            other = _canonical(re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0])
            if "extra ==" not in line and other not in seen:
                seen.add(other)
                open_.append(other)
    return seen


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _licence(name: str) -> str | None:
    """What the installed package says its licence is, in a few words."""
    about = metadata.metadata(name)
    said = next((about[key] for key in ("License-Expression", "License") if key in about), "")
    if said and len(said) < 80 and "\n" not in said:
        return said
    classed = [
        line.rsplit("::", 1)[-1].strip() for line in about.get_all("Classifier") or [] if line.startswith("License")
    ]
    return classed[0] if classed else None


def _licence_said(basis: Basis, id: str) -> str | None:
    piece = basis.asked(id)[0]
    return piece.text if isinstance(piece, Said) else None


def _component(row: Row, kind: Any) -> Component:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component
    from packageurl import PackageURL

    factory = LicenseFactory()
    package = row["kind"] == "package"
    properties = {"metier:kind": row["kind"], **row["properties"]}
    return Component(
        name=str(row["name"]),
        type=kind,
        version=row["version"],
        bom_ref=f"{row['kind']}:{row['name']}@{row['version']}",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=row["sha256"])] if row["sha256"] else None,
        licenses=[factory.make_from_string(row["licence"])] if row["licence"] else None,
        purl=PackageURL("pypi", None, _canonical(row["name"]), row["version"]) if package else None,
        properties=[Property(name=name, value=str(value)) for name, value in properties.items() if value is not None],
    )


def _model_card(basis: Basis) -> dict[str, Any]:
    """CycloneDX's own form of a model's card: task, data sets, metrics with their intervals, what people said."""
    found = basis.measured_on
    metrics = []
    for name, one in (basis.get(*found) if found else {}).items():
        if words.finite(one.get("value")) is not None:
            entry: dict[str, Any] = {"type": name, "value": str(one["value"])}
            if words.finite(one.get("low")) is not None and words.finite(one.get("high")) is not None:
                entry["confidenceInterval"] = {"lowerBound": str(one["low"]), "upperBound": str(one["high"])}
            metrics.append(entry)
    considerations = {
        "useCases": _licence_said(basis, "intended-use"),
        "users": _licence_said(basis, "users-affected"),
        "technicalLimitations": _licence_said(basis, "limitations"),
        "performanceTradeoffs": _licence_said(basis, "trade-offs"),
    }
    base = basis.get(shared.ABOUT, "/base", {})
    refs = [{"ref": f"{row['kind']}:{row['name']}@{row['version']}"} for row in _data(basis)]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": str(basis.get(shared.ABOUT, "/task")),
            **({"architectureFamily": str(base.get("architecture"))} if basis.dossier.uses_base else {}),
            "modelArchitecture": str(basis.get(shared.ABOUT, "/rung")),
            "datasets": refs,
        },
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {name: [said] for name, said in considerations.items() if said},
    }


def _table(rows: Iterator[Row]) -> Table:
    shown = []
    for row in rows:
        name: Cell = (Said(str(row["name"]), (row["evidence"],) if row["evidence"] else ()),)
        shown.append(
            (
                name,
                text(row["kind"]),
                text(row["version"] or ""),
                text(row["licence"] or "not stated"),
                text((row["sha256"] or "")[:12]),
            )
        )
    return Table(("Component", "Kind", "Version", "Licence", "SHA-256"), tuple(shown))
