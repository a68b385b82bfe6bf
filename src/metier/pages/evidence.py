"""report.html of an evaluation: a verdict in words, the scorecard of questions, then each question's pictures."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from metier.data.sources import name_of
from metier.evaluate.case import Answer, Card, Case, Standing
from metier.evaluate.gate import Check
from metier.pages import metrics
from metier.pages.metrics import BASELINES
from metier.pages.page import render
from metier.tasks.contract import Evidence, Section


def compose(
    case: Case,
    answers: Mapping[str, Answer],
    checks: Sequence[Check],
    record: Mapping[str, Any],
    command: Sequence[str],
) -> str:
    """The whole page as HTML. `command` are the words that give it again."""
    where = f"{case.evaluation.rows:,} rows of {name_of(case.dataset.source.path)}"
    better = _better(case)
    body, first = _body(case, answers, where)
    cards = [_card(better, first.get("better"))]
    cards += [_card(answer.card, first.get(name)) for name, answer in answers.items() if answer.card is not None]
    sections = [
        _verdict(case, [better, *(a.card for a in answers.values() if a.card is not None)], checks, where),
        Section("standing", "Scorecard", {"cards": cards, "baseline": _baseline(case)}),
        *([_gate(checks)] if checks else []),
        *body,
        *_notes(answers, case),
        _facts(case),
        _record(command, record),
    ]
    # Links lead to a section by its place on the page, which the sections above push down.
    ahead = 3 if checks else 2
    for card in cards:
        if card["link"] is not None:
            card["link"] = f"s{card['link'][0] + ahead}-{card['link'][1]}"
    about = case.expert.about
    facts = [("Expert", str(about["name"])), ("Base", str(about["base"]["name"])), ("Measured on", where)]
    return render(f"{about['name']}: the evidence", sections, lead=case.expert.task.summary, facts=facts)


def _body(case: Case, answers: Mapping[str, Answer], where: str) -> tuple[list[Section], dict[str, tuple[int, str]]]:
    """The sections of all questions in order, and each question's first one: (its place from 1, its template)."""
    evaluation = case.evaluation
    evidence = Evidence(
        target=case.expert.target,
        truth=evaluation.truth,
        outputs=evaluation.outputs,
        raw_outputs=evaluation.raw,
        rows=case.examples.rows,
        shown=lambda position: case.expert.task.render(case.examples.inputs, position),
        pictured=lambda position: case.expert.task.picture(case.examples.inputs, position),
        level=case.level,
        seed=case.seed,
        calibration=case.expert.about["calibration"],
        threshold=case.expert.about["threshold"],
    )
    views = list(case.expert.target.views(evidence))
    body = [metrics.table(case.expert.target, evaluation.metrics, evaluation.generic, where)]
    body += [view for view in views if view.template != "errors"]
    first = {"better": (1, "metrics")}
    for name, answer in answers.items():
        if answer.sections:
            first[name] = (len(body) + 1, answer.sections[0].template)
        body += answer.sections
    # Pictures first: the view that is a list of rows comes last.
    return body + [view for view in views if view.template == "errors"], first


def _baseline(case: Case) -> str:
    return BASELINES.get(case.expert.about["generic"], "the baseline")


def _card(card: Card, link: tuple[int, str] | None) -> dict[str, Any]:
    return {**asdict(card), "link": link}


def _better(case: Case) -> Card:
    metric, gain = case.metric, case.evaluation.gain
    found, generic = case.evaluation.metrics[metric.name], case.evaluation.generic[metric.name]
    standing: Standing = "good" if gain.low > 0 else "bad" if gain.high < 0 else "look"
    words = {"good": "Better than {}, beyond chance.", "bad": "Worse than {}, beyond chance.",
             "look": "Not shown to be better than {}."}  # fmt: skip
    return Card(
        "Better?", words[standing].format(_baseline(case)), standing, metrics.PLAIN.get(metric.name, metric.name),
        found.value, found.low, found.high, generic.value, case.evaluation.rows,
        "%" if metrics.is_share(metric.name) else "",
    )  # fmt: skip


def _verdict(case: Case, cards: Sequence[Card], checks: Sequence[Check], where: str) -> Section:
    metric, gain = case.metric, case.evaluation.gain
    bad = [card for card in cards if card.standing == "bad"]
    look = [card for card in cards if card.standing == "look"]
    unknown = [card for card in cards if card.standing == "unknown"]
    headline = {"good": "Tuning has paid", "look": "Tuning was not shown to pay", "bad": "Tuning has done harm"}[
        cards[0].standing
    ]
    if bad[:1] == [cards[0]]:
        bad = bad[1:]
    missed = [each.limit.path for each in checks if not each.passed]
    also = " and something is wrong" if bad else ""
    if missed:
        headline += f", but a limit is missed{also}."
    elif bad:
        headline += ", but something is wrong."
    else:
        headline += ", and some things want a look." if look else "."
    better = "higher" if metric.greater_is_better else "lower"
    sentences = [
        f"On {where} it reaches {metrics.figure(metric, case.evaluation.metrics[metric.name])} where "
        f"{_baseline(case)} reaches {metrics.figure(metric, case.evaluation.generic[metric.name])} "
        f"({metric.name}; {better} is better; p = {gain.p:.2g}).",
    ]
    for title, some in (("Wrong", bad), ("Worth a look", look), ("Not known", unknown)):
        told = [f"{card.question.rstrip('?').lower()} ({card.answer.rstrip('.')})" for card in some if card != cards[0]]
        if told:
            sentences.append(f"{title}: {'; '.join(told)}.")
    if checks:
        sentences.append(f"Missed limits: {', '.join(missed)}." if missed else "All limits asked for are kept.")
    return Section("verdict", "Verdict", {"headline": headline, "sentences": sentences})


def _gate(checks: Sequence[Check]) -> Section:
    missed = sum(not each.passed for each in checks)
    rows = [
        {
            "severity": "note" if each.passed else "error",
            "detail": f"{each.limit.path} is {'not defined' if each.value is None else f'{each.value:.4g}'}, "
            f"asked for: {_asked(each)}",
            "rows": 0,
            "fix": "" if each.passed else "missed",
        }
        for each in sorted(checks, key=lambda each: each.passed)
    ]
    lead = f"{missed} of {len(checks)} limits are missed." if missed else f"All {len(checks)} limits are kept."
    return Section("problems", "The limits asked for", {"rows": rows}, lead)


def _asked(check: Check) -> str:
    bounds = (("at least", check.limit.least), ("at most", check.limit.greatest))
    return " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def _notes(answers: Mapping[str, Answer], case: Case) -> list[Section]:
    found = [(name, note) for name, answer in answers.items() for note in answer.notes]
    if case.origin is None:
        found.append(("training data", f"The training rows were not at hand: {case.no_origin}."))
    rows = [{"severity": "note", "detail": f"{name}: {note}", "rows": 0, "fix": ""} for name, note in found]
    return [Section("problems", "What could not be measured", {"rows": rows})] if rows else []


def _facts(case: Case) -> Section:
    about, source = case.expert.about, case.dataset.source
    rows = [
        ["File", source.path],
        ["Rows in the file", f"{len(case.dataset):,}"],
        ["Rows measured", f"{case.evaluation.rows:,}"],
        ["Data, SHA-256", source.sha256],
        ["Training data, SHA-256", str(about.get("data", "not recorded"))],
        ["Expert, rung", str(about["rung"])],
        ["Base", f"{about['base']['name']}, licence {about['base']['licence']}"],
        ["Base, SHA-256", str(about["base"]["sha256"])],
        ["Level of intervals", f"{case.level:.0%}"],
        ["Seed", str(case.seed)],
    ]
    return Section("facts", "What went in", {"rows": rows})


def _record(command: Sequence[str], record: Mapping[str, Any]) -> Section:
    data = {
        "command": shlex.join(command),
        "files": [{"file": entry["path"], "sha256": entry["sha256"]} for entry in record["files"]],
        "root": record["root"],
    }
    return Section("record", "Where every figure comes from", data, "metier verify recomputes these hashes offline.")
