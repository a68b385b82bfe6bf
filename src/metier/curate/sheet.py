"""The data sheet: what a data set is, where it comes from and what was done to it, for programs and for people.

For programs it is Croissant 1.0 (MLCommons, 2024) with the fields of Croissant RAI 1.0; for people the same as a page.
What only a person can know (source, purpose, lawful basis, ...) stands there when it was said, and as missing if not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from metier import __version__
from metier.curate.export import Written
from metier.curate.fates import Fates
from metier.curate.findings import Finding
from metier.curate.material import Material
from metier.data.dataset import Column
from metier.pages.page import render
from metier.tasks.contract import Section
from metier.workspace import slug

CONFORMS_TO = ("http://mlcommons.org/croissant/1.0", "http://mlcommons.org/croissant/RAI/1.0")
# The context that Croissant 1.0 publishes, word for word, with the prefix of its RAI fields.
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_MEDIA = {
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "jsonl": "application/jsonlines",
    "json": "application/json",
    "parquet": "application/x-parquet",
    "arrow": "application/vnd.apache.arrow.file",
    "excel": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
# Choice of the plan -> how a person asks for it.
_SAID = {
    "source": "Where it comes from",
    "creator": "Who made it",
    "purpose": "What it may be used for",
    "lawful_basis": "Lawful basis",
    "consent": "Consent",
    "retention": "How long it is kept",
    "licence": "Licence",
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")  # what ISO 8601 begins with; other spellings stay text
_TOLD = 12  # sentences of one kind; the curation holds all


@dataclass(frozen=True)
class Sheet:
    """Everything a data sheet is made of."""

    material: Material
    findings: Sequence[Finding]
    fates: Fates
    facts: Mapping[str, Mapping[str, Any]]
    noise_rate: Mapping[str, Any] | None
    clean: Written
    here: bool  # whether the cleaned file lies beside the sheet
    split: bool
    asked: Sequence[str]

    @property
    def name(self) -> str:
        """The data set's name."""
        return slug(self.material.plan.name or self.clean.path.name.split(".")[0])


def croissant(sheet: Sheet) -> dict[str, Any]:
    """The sheet as Croissant JSON-LD. Fields nobody gave are left out: nothing is invented."""
    said, material = sheet.material.plan.sheet, sheet.material
    dataset = material.train.dataset
    document: dict[str, Any] = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": list(CONFORMS_TO),
        "name": sheet.name,
        "description": f"{sheet.clean.rows:,} rows: {material.task.summary}. Curated with metier {__version__}.",
        "datePublished": date.today().isoformat(),
        "version": f"1.0.0+{sheet.clean.sha256[:12]}",
        "isLiveDataset": False,
        "license": said.licence,
        "creator": said.creator and {"@type": "sc:Organization", "name": said.creator},
        "usageInfo": _usage(sheet) or None,
        "isBasedOn": f"{dataset.source.path} (sha256 {dataset.source.sha256})",
        "distribution": [_file(sheet)],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "rows",
                "name": "rows",
                "description": "One record a row, in the file's order.",
                "field": [_field(column, sheet) for column in _columns(sheet)],
            }
        ],
        **_responsible(sheet),
    }
    return {key: value for key, value in document.items() if value not in (None, "", [])}


def page(sheet: Sheet) -> str:
    """The sheet as a readable page."""
    said, dataset = sheet.material.plan.sheet, sheet.material.train.dataset
    given = [[title, getattr(said, name)] for name, title in _SAID.items() if getattr(said, name)]
    missing = [(title, "--" + name.replace("_", "-")) for name, title in _SAID.items() if not getattr(said, name)]
    rai = _responsible(sheet)
    sections = [
        Section("facts", "What was said of it", {"rows": given}),
        Section(
            "problems",
            "What nobody has said yet",
            {
                "rows": [
                    {"severity": "note", "detail": f"{title} is not stated.", "rows": 0, "fix": f"Add {flag} TEXT."}
                    for title, flag in missing
                ]
            },
        ),
        Section(
            "facts",
            "What is in it",
            {"rows": [[column.name, f"{column.role}: {column.reason}"] for column in _columns(sheet)]},
            f"{sheet.clean.rows:,} rows with {len(_columns(sheet))} columns.",
        ),
        Section("facts", "What was found and done", {"rows": [[TITLES[key], _joined(rai[key])] for key in rai]}),
        Section(
            "facts",
            "The files",
            {
                "rows": [
                    ["Cleaned file", str(sheet.clean.path.name)],
                    ["Its SHA-256", sheet.clean.sha256],
                    ["Made from", dataset.source.path],
                    ["Its SHA-256", dataset.source.sha256],
                ]
            },
        ),
    ]
    facts = [("Rows", f"{sheet.clean.rows:,}"), ("Form", sheet.clean.format), ("Standard", "Croissant 1.0, RAI 1.0")]
    return render(f"{sheet.name}: data sheet", sections, lead=sheet.material.task.summary, facts=facts)


def _usage(sheet: Sheet) -> str:
    said = sheet.material.plan.sheet
    parts = [("Lawful basis", said.lawful_basis), ("Consent", said.consent)]
    return " ".join(f"{title}: {text}." for title, text in parts if text)


def _file(sheet: Sheet) -> dict[str, Any]:
    clean = sheet.clean
    return {
        "@type": "cr:FileObject",
        "@id": clean.path.name,
        "name": clean.path.name,
        "contentUrl": clean.path.name if sheet.here else str(clean.path),
        "contentSize": f"{clean.bytes} B",
        "encodingFormat": _MEDIA.get(clean.format, "application/octet-stream"),
        "sha256": clean.sha256,
    }


def _columns(sheet: Sheet) -> list[Column]:
    columns = list(sheet.material.train.dataset.schema.columns)
    if sheet.split:
        columns.append(Column("split", "split", "says which rows are for training and which for validation", 0, 2))
    return columns


def _field(column: Column, sheet: Sheet) -> dict[str, Any]:
    extract = {"jsonPath": f"$[*].{column.name}"} if sheet.clean.format == "json" else {"column": column.name}
    return {
        "@type": "cr:Field",
        "@id": f"rows/{column.name}",
        "name": column.name,
        "description": f"{column.role}: {column.reason}",
        "dataType": _type(column, sheet),
        "source": {"fileObject": {"@id": sheet.clean.path.name}, "extract": extract},
    }


def _type(column: Column, sheet: Sheet) -> Any:
    table = sheet.material.train.dataset.table
    kind = table.schema.field(column.name).type if column.name in table.column_names else pa.string()
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_temporal(kind):
        return "sc:DateTime"
    if column.content == "time" and column.examples and all(map(_DAY.match, column.examples)):
        return "sc:Date" if all(len(example) == len("2026-01-31") for example in column.examples) else "sc:DateTime"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind) or column.content == "number":
        return "sc:Float"
    return ["sc:Text", "cr:Label"] if column.role == "target" else "sc:Text"


TITLES = {
    "rai:dataCollection": "How it was collected",
    "rai:dataCollectionMissingData": "What is missing in it",
    "rai:dataCollectionTimeframe": "When it was collected",
    "rai:dataPreprocessingProtocol": "What it was searched for",
    "rai:dataManipulationProtocol": "What was done to it",
    "rai:dataAnnotationAnalysis": "How good its labels are",
    "rai:machineAnnotationTools": "What was labelled by a machine",
    "rai:dataBiases": "Where it is one-sided",
    "rai:personalSensitiveInformation": "Personal data in it",
    "rai:dataLimitations": "What is still doubtful in it",
    "rai:dataUseCases": "What it may be used for",
    "rai:dataReleaseMaintenancePlan": "How long it is kept",
}


def _responsible(sheet: Sheet) -> dict[str, Any]:
    """The RAI fields: from the plan what a person said, from the findings what was seen."""
    said = sheet.material.plan.sheet
    fields: dict[str, Any] = {
        "rai:dataCollection": said.source,
        "rai:dataCollectionMissingData": _missing(sheet),
        "rai:dataCollectionTimeframe": _timeframe(sheet),
        "rai:dataPreprocessingProtocol": [f"Searched by metier {__version__} for: {', '.join(sheet.asked)}."],
        "rai:dataManipulationProtocol": _done(sheet),
        "rai:dataAnnotationAnalysis": _noise(sheet.noise_rate),
        "rai:machineAnnotationTools": _machine(sheet.fates),
        "rai:dataBiases": _sentences(sheet, "imbalance", "spurious"),
        "rai:personalSensitiveInformation": _personal(sheet),
        "rai:dataLimitations": _limits(sheet),
        "rai:dataUseCases": said.purpose,
        "rai:dataReleaseMaintenancePlan": said.retention,
    }
    return {key: value for key, value in fields.items() if value}


def _missing(sheet: Sheet) -> str:
    gaps = [f"{column.name} ({_counted(column.missing)})" for column in _columns(sheet) if column.missing]
    return f"Empty cells: {', '.join(gaps)}." if gaps else ""


def _timeframe(sheet: Sheet) -> list[str]:
    from metier.data.values import times

    table = sheet.material.train.dataset.table
    for name in sheet.material.train.dataset.schema.named("time"):
        moments = times(table, name)
        known = moments[~np.isnat(moments)]
        if len(known):
            return [str(known.min()), str(known.max())]
    return []


def _done(sheet: Sheet) -> str:
    counts = sheet.fates.counts()
    parts = [f"{_counted(counts[fate])} {words}" for fate, words in _DONE if counts[fate]]
    deciders = sorted({change.by for change in sheet.fates.done.values() if change.by})
    who = f" Decided by {', '.join(deciders)} where a person looked." if deciders else ""
    aside = f" {_counted(counts['set_aside'])} without a text or a label." if counts["set_aside"] else ""
    return (f"{'; '.join(parts)}; all others as they were." if parts else "Nothing was changed.") + aside + who


_DONE = (
    ("dropped", "left out"),
    ("relabelled", "given another label"),
    ("rewritten", "with rewritten text"),
)


def _noise(rate: Mapping[str, Any] | None) -> str:
    if not rate or rate.get("value") is None:
        return ""
    ends = f" ({rate['low']:.1%} to {rate['high']:.1%})" if rate.get("low") is not None else ""
    return f"Estimated share of wrong labels before curation: {rate['value']:.1%}{ends}."


def _machine(fates: Fates) -> list[str]:
    rows = sum(1 for change in fates.done.values() if change.action == "relabel" and not change.by)
    return [f"metier {__version__} relabelled {_counted(rows)} from out-of-fold probabilities."] if rows else []


def _sentences(sheet: Sheet, *kinds: str) -> list[str]:
    return list(dict.fromkeys(one.detail for one in sheet.findings if one.kind in kinds))[:_TOLD]


def _personal(sheet: Sheet) -> list[str]:
    rows = [one for one in sheet.findings if one.kind == "personal_data" and one.row is not None]
    if "privacy" not in sheet.asked:
        return ["Personal data was not looked for."]
    if not rows:
        return [
            "None was found by rules for e-mail, telephone, cards, accounts, identity numbers, addresses and names."
        ]
    types: Counter[str] = Counter()
    for one in rows:
        types.update(one.facts.get("types") or {"personal data": 1})
    hidden = sum(1 for row in {one.row for one in rows} if row in sheet.fates.done)
    told = ", ".join(f"{name.replace('_', ' ')} ({count:,})" for name, count in types.most_common())
    return [
        f"Found: {told}; in {_counted(len({one.row for one in rows}))}, {hidden:,} of them hidden, changed or left out."
    ]


def _limits(sheet: Sheet) -> list[str]:
    dropped = {row for row, change in sheet.fates.done.items() if change.action != "keep"}
    open_ = Counter(one.kind for one in sheet.findings if one.row is not None and one.row not in dropped)
    return [
        f"{_counted(count, 'finding')} of the kind {kind}, still in it." for kind, count in open_.most_common(_TOLD)
    ]


def _counted(amount: int, what: str = "row") -> str:
    return f"{amount:,} {what}{'' if amount == 1 else 's'}"


def _joined(value: Any) -> str:
    return " ".join(str(part) for part in value) if isinstance(value, list) else str(value)
