"""curation.html: what was found as pictures, the worst rows side by side, what each fix is worth; tables last."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metier.curate.curation import clearest
from metier.curate.fates import Fates
from metier.curate.findings import ACTIONS, KINDS, Finding
from metier.curate.review import suggestion
from metier.curate.sheet import Sheet
from metier.curate.shown import Shown
from metier.pages.page import render
from metier.pages.report import reproduce
from metier.pages.words import plural
from metier.tasks.contract import Section

Json = Mapping[str, Any]

# Kind -> what a business reader calls it.
TITLES: Mapping[str, str] = {
    "duplicate": "The same row again",
    "near_duplicate": "Almost the same row",
    "paraphrase": "The same in other words",
    "leakage": "Answers given away",
    "label_error": "Labels that look wrong",
    "off_topic": "Off the topic",
    "broken": "Broken texts",
    "wrong_language": "Another language",
    "truncated": "Longer than the base reads",
    "imbalance": "One-sided counts",
    "spurious": "Words that stand in for a label or a group",
    "personal_data": "Personal data",
    "invalid": "Nothing to learn from",
}
_SHOWN_BESIDE = 18  # rows side by side
_OF_A_KIND = 2
_TABLE, _LISTED_OF_A_KIND = 60, 8
_NEIGHBOURS = 2


def compose(about: Sheet, shown: Shown, figures: Json, record: Json) -> str:
    """The whole page as HTML. `figures` are those of `curate --json`, `record` the chain of all that lies there."""
    plan, dataset, findings = about.material.plan, about.material.train.dataset, about.findings
    sections = [
        _verdict(findings, about.fates, figures),
        _tally(findings, figures),
        _found(findings, figures),
        *_worth(figures["worth"]),
        *_beside(findings, about, shown),
        *_noise(about.facts.get("labels", {})),
        *_labels(about, figures),
        *_languages(about.facts.get("content", {}), len(dataset)),
        *_reviewed(figures["review"]),
        _table(findings),
        _facts(about, figures),
        _record(about, record),
    ]
    facts = [("Data", dataset.source.path), ("Rows", f"{len(dataset):,}"), ("Asked for", ", ".join(about.asked))]
    return render(f"{plan.name}: what is in the data", sections, lead=about.material.task.summary, facts=facts)


def _rows(findings: Sequence[Finding], *kinds: str) -> int:
    wanted = (one for one in findings if one.kind in kinds and one.action != "keep")
    return len({one.row for one in wanted if one.row is not None})


def _verdict(findings: Sequence[Finding], fates: Fates, figures: Json) -> Section:
    touched = len({*fates.done, *fates.proposed})
    looked = {one.row for one in findings if one.row is not None and one.action == "review"} - {
        *fates.done,
        *fates.proposed,
    }
    total, counts = figures["rows"], figures["fates"]
    if not findings:
        headline = "Nothing was found."
    else:
        headline = (
            f"Of {plural(total, 'row')}, {touched:,} should change; a person should look at {len(looked):,} more."
        )
    sentences = []
    rate = figures["noise_rate"]
    if rate and rate["value"] is not None:
        sentences.append(f"About {_percent(rate)} of the labels are wrong, as far as can be told from the data itself.")
    worth = figures["worth"]
    if worth and worth["fixes"]:
        best = max(worth["fixes"], key=lambda fix: fix["gain"]["points"] or 0.0)
        sure = "beyond chance" if (best["gain"]["low"] or 0) > 0 else "which may be chance"
        sentences.append(
            f"The most a fix is worth to a model: “{best['fix']}”, {100 * best['gain']['points']:+.1f} points of "
            f"{worth['metric']} on {worth['rows']:,} {worth['held_out']} rows, {sure}."
        )
    done = [f"{counts[fate]:,} {fate}" for fate in ("dropped", "relabelled", "rewritten") if counts[fate]]
    sentences.append(
        f"In the cleaned file {', '.join(done)}; every other row is as it was."
        if done
        else "Nothing was changed: the cleaned file is the data itself. Decide in review.csv, or repeat with --apply."
    )
    return Section("verdict", "Verdict", {"headline": headline, "sentences": sentences})


def _percent(rate: Json) -> str:
    text = f"{rate['value']:.1%}"
    return text if rate["low"] is None else f"{text} ({rate['low']:.1%} to {rate['high']:.1%})"


def _tally(findings: Sequence[Finding], figures: Json) -> Section:
    total, rate = max(1, figures["rows"]), figures["noise_rate"]
    cards: list[dict[str, Any]] = []
    if rate and rate["value"] is not None:
        cards.append({"title": "Labels that are wrong", "term": "noise rate", "words": "", **_only(rate)})
    for title, kinds in (
        ("Rows that repeat others", ("duplicate", "near_duplicate", "paraphrase")),
        ("Rows with personal data", ("personal_data",)),
        ("Rows off the topic or broken", ("off_topic", "broken", "wrong_language", "invalid")),
    ):
        rows = _rows(findings, *kinds)
        told = {"value": rows / total, "low": None, "high": None, "words": plural(rows, "row")}
        cards.append({"title": title, "term": "", **told})
    how = "The range is the one in which the true share most likely lies (confidence interval)."
    return Section("tally", "At a glance", {"cards": cards, "how": how if rate else ""})


def _only(rate: Json) -> dict[str, Any]:
    return {name: rate.get(name) for name in ("value", "low", "high")}


def _found(findings: Sequence[Finding], figures: Json) -> Section:
    kinds: list[dict[str, Any]] = []
    for kind in KINDS:
        of_kind = [one for one in findings if one.kind == kind]
        if of_kind:
            counts = Counter(one.action for one in of_kind)
            surest = max(one.score for one in of_kind)
            title = TITLES[kind]
            kinds.append({"kind": kind, "title": title, "surest": surest, **{a: counts[a] for a in ACTIONS}})
    kinds.sort(key=lambda row: -sum(row[action] for action in ACTIONS))
    lead = f"{plural(len(findings), 'finding')} of {plural(len(kinds), 'kind')} in {plural(figures['rows'], 'row')}."
    return Section("found", "What was found", {"kinds": kinds}, lead)


def _worth(worth: Json | None) -> Iterator[Section]:
    if not worth:
        return
    share = worth["metric"] not in ("mae", "rmse", "log_loss", "median_absolute_error") and ":" not in worth["metric"]
    scale = 100 if share else 1
    rows = [
        {
            "name": fix["fix"],
            **{
                name: None if fix["gain"][of] is None else scale * fix["gain"][of]
                for name, of in (("value", "points"), ("low", "low"), ("high", "high"))
            },
            "note": f"{fix['rows']:,} rows; then {worth['metric']} {fix['value']:.4f}",
        }
        for fix in worth["fixes"]
    ]
    base = worth["base"]["value"]
    lead = (
        f"The “{worth['rung']}” model, trained on {worth['train_rows']:,} rows with and without each fix, and measured "
        f"on the same {worth['rows']:,} {worth['held_out']} rows, to which nothing was done. As it is: {base:.4f}."
    )
    data = {
        "rows": rows,
        "axis": f"Gain in {worth['metric']} over the data as it is{', in points' if share else ''}",
        "unit": "",
        "signed": True,
        "caption": "Right of zero a fix helps. Blue and orange are proven, grey may be chance.",
        "notes": worth["notes"],
    }
    yield Section("ranges", "What each fix is worth", data, lead)


def _beside(findings: Sequence[Finding], about: Sheet, shown: Shown) -> Iterator[Section]:
    """The surest rows, some of each kind: the row, what is proposed, and the rows that speak for it."""
    file, items = about.material.train.file, []
    here = [one for one in findings if one.file == file and one.kind != "invalid"]
    for one in clearest(here, _SHOWN_BESIDE, _OF_A_KIND):
        assert one.row is not None
        change = about.fates.done.get(one.row) or about.fates.proposed.get(one.row)
        said = "" if one.kind == "personal_data" else shown.hidden(suggestion([one], None))
        twin = isinstance(one.suggestion, int) and one.kind in ("duplicate", "near_duplicate", "paraphrase", "leakage")
        others = [*([one.suggestion] if twin else []), *one.related]
        items.append(
            {
                "row": one.row,
                "kind": TITLES[one.kind],
                "detail": _sentence(one.detail),
                "score": one.score,
                "text": shown.text(one.row),
                "label": shown.label(one.row),
                "doubted": one.kind == "label_error",
                "action": _WORDS[one.action],
                "suggestion": said if not twin else f"row {said} stays" if one.action == "drop" else "",
                "by": change.by if change is not None else "",
                "neighbours": [
                    {"row": other, "text": shown.text(other, 200), "label": shown.label(other)}
                    for other in dict.fromkeys(others)
                    if other != one.row and 0 <= other < len(about.material.train.dataset)
                ][:_NEIGHBOURS],
            }
        )
    if items:
        order = {TITLES[kind]: place for place, kind in enumerate(_FIRST)}
        items.sort(key=lambda item: order.get(str(item["kind"]), 99))
        yield Section(
            "beside",
            "The clearest cases",
            {"items": items},
            "Some of the surest of each kind, beside the rows that speak for them. Personal data is hidden.",
        )


_FIRST = ("label_error", "duplicate", "near_duplicate", "paraphrase", "leakage", "off_topic")
_WORDS = {
    "keep": "only noted",
    "review": "look at it",
    "drop": "leave it out",
    "relabel": "another label",
    "rewrite": "another text",
}


def _noise(facts: Json) -> Iterator[Section]:
    rows = [
        {"name": str(one["label"]), **_only(one["noise_rate"]), "note": f"{one['flagged']:,} of {one['rows']:,} rows"}
        for one in facts.get("by_label") or ()
        if one["noise_rate"]["value"] is not None
    ]
    rows.sort(key=lambda row: -row["value"])
    if rows:
        data = {
            "rows": rows,
            "axis": "Share of its labels that are wrong (estimate)",
            "unit": "%",
            "caption": "The labels with the largest share of wrong ones first.",
        }
        yield Section("ranges", "Where labels are wrong", data)


def _labels(about: Sheet, figures: Json) -> Iterator[Section]:
    """Rows of each label before and after what was done, or would be done by all proposals."""
    material = about.material
    if not material.labelled or material.train.examples.target.width < 2:
        return
    examples, target = material.train.examples, material.train.examples.target
    names = [str(name) for name in target.values(examples.targets)]
    before, after = Counter(names), Counter(names)
    changes = {**about.fates.proposed, **about.fates.done}
    for name, row in zip(names, examples.rows.tolist(), strict=True):
        change = changes.get(row)
        if change is not None and change.action in ("drop", "relabel"):
            after[name] -= 1
            if change.action == "relabel":
                after[str(change.label)] += 1
    what = "afterwards" if figures["applied"] else "if all proposals are followed"
    rows = [{"name": name, "before": before[name], "after": after[name]} for name in sorted({*before, *after})]
    if any(row["before"] != row["after"] for row in rows):
        yield Section("pairs", "How many rows each label has", {"rows": rows, "after": what})


def _languages(facts: Json, total: int) -> Iterator[Section]:
    """The shares of languages, a section for each column of texts that has more than one."""
    columns = facts.get("languages") or {}
    for column, told in columns.items():
        shares = sorted(told["share"].items(), key=lambda item: -item[1])
        rows = [{"name": name, "value": share, "rows": round(share * total)} for name, share in shares if share > 0]
        if len(rows) > 1:
            where = f" in {column}" if len(columns) > 1 else ""
            data = {"rows": rows, "axis": "Share of the texts"}
            yield Section("shares", f"Languages{where}", data)


def _reviewed(review: Json | None) -> Iterator[Section]:
    if not review:
        return
    words = Counter(one["word"] for one in review["decisions"])
    told = ", ".join(f"{word} {count:,}" for word, count in words.most_common()) or "none"
    rows = [
        {
            "severity": "warning",
            "detail": f"Line {line['line']} (row {line['row'] or '?'}, {line['decision']}) was not followed, as "
            f"{line['why']}.",
            "rows": 0,
            "fix": "",
        }
        for line in review["unmatched"]
    ]
    lead = f"{review['reviewer']} decided on {plural(len(review['decisions']), 'row')} ({told}), read {review['at']}."
    yield (
        Section("problems", "What a person decided", {"rows": rows}, lead)
        if rows
        else Section(
            "facts",
            "What a person decided",
            {"rows": [[word, f"{count:,}"] for word, count in words.most_common()]},
            lead,
        )
    )


def _table(findings: Sequence[Finding]) -> Section:
    rows = [
        {
            "row": one.row,
            "kind": one.kind,
            "action": one.action,
            "detail": _sentence(one.detail),
            "suggestion": "" if one.suggestion is None else " ".join(str(one.suggestion).split()),
            "score": one.score,
        }
        for one in _listed(findings)
    ]
    return Section("findings", "The findings, the surest of each kind", {"rows": rows, "total": len(findings)})


def _listed(findings: Sequence[Finding]) -> list[Finding]:
    """What is about the table as a whole, then the surest of each kind: a thousand copies must not hide the rest."""
    whole = [one for one in findings if one.row is None]
    rows = [one for one in findings if one.row is not None]
    return [*whole, *clearest(rows, _TABLE, _LISTED_OF_A_KIND)][:_TABLE]


def _sentence(words: str) -> str:
    whole = words[:1].upper() + words[1:]
    return whole if whole.endswith((".", "!", "?")) else f"{whole}."


def _facts(about: Sheet, figures: Json) -> Section:
    source = about.material.train.dataset.source
    seconds = ", ".join(f"{name} {spent:.1f} s" for name, spent in figures["questions"].items())
    fates = ", ".join(f"{count:,} {fate.replace('_', ' ')}" for fate, count in figures["fates"].items())
    rows = [
        ["Data", source.path],
        ["Its SHA-256", source.sha256],
        ["Cleaned file", str(about.clean.path)],
        ["Its SHA-256", about.clean.sha256],
        ["Fates of the rows", fates],
        ["Base", about.material.trunk.base.name],
        ["Time", seconds],
        *[["Note", note] for note in figures["notes"]],
    ]
    return Section("facts", "What this is made of", {"rows": rows})


def _record(about: Sheet, record: Json) -> Section:
    command = reproduce(about.material.plan, about.material.train.dataset)
    files = [{"file": one["path"], "sha256": one["sha256"]} for one in record["files"]]
    command = "metier curate" + command.removeprefix("metier tune")
    return Section("record", "Record", {"command": command, "files": files, "root": record["root"]})
