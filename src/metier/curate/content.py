"""Is what stands in the rows what it should be? Broken texts, templates, other languages, other topics, odd lengths."""

from __future__ import annotations

from typing import Any

from metier.curate import boilerplate, broken, language, lengths, topic
from metier.curate.columns import text_columns
from metier.curate.findings import Answer, Finding
from metier.curate.material import Material
from metier.curate.pictures import NO_FEATURES


def ask(material: Material) -> Answer:
    """What is broken, boilerplate, in another language, cut by the base, far too long or short, or off topic.

    Text questions look at the text columns, of the test rows too where one row can be judged alone; off-topic looks
    at the vectors of any kind of row. Facts lie under `broken`, `boilerplate`, `languages`, `lengths`, `truncated`
    and `off_topic`; the one score is `off_topic`.
    """
    findings: list[Finding] = []
    facts: dict[str, Any] = {}
    for side in (material.train, *([material.test] if material.test is not None else [])):
        known: dict[str, Any] = {"broken": {}, "boilerplate": {}, "languages": {}, "lengths": {}}
        for column in text_columns(material, side):
            found, known["broken"][column.name] = broken.look(column, side)
            findings += found
            found, known["languages"][column.name] = language.look(column, side, material.plan.curate.languages)
            findings += found
            if side is material.train:
                found, known["boilerplate"][column.name] = boilerplate.look(column, side)
                findings += found
                found, known["lengths"][column.name] = lengths.outliers(column, side)
                findings += found
        found, known["truncated"] = lengths.truncated(material, side)
        findings += found
        if side is material.train:
            facts |= known
        else:
            facts["test"] = known
    if not material.embedded:
        return Answer(tuple(findings), facts, notes=(NO_FEATURES.format("what is off the topic"),))
    found, facts["off_topic"], score = topic.off_topic(material)
    return Answer(tuple(findings + found), facts, {"off_topic": score})
