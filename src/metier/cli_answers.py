"""How answers look to a person in a terminal, and how predictions are written to files."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click

from metier import files, lifecycle
from metier.curate.curation import Curation, clearest
from metier.curate.findings import Finding
from metier.data.dataset import Dataset
from metier.errors import UsageError
from metier.evaluate.room import Evaluated
from metier.expert import Expert, Prediction, folder_of
from metier.govern.verify import Verdict
from metier.lifecycle import Tuned
from metier.pages import mitigated
from metier.progress import Progress
from metier.terminal import duration, table
from metier.workspace import Workspace

_LINES = 512


def tuned(outcome: Tuned) -> None:
    """The ladder, the figures, and where everything lies."""
    figures = outcome.figures
    metric = figures["metric"]
    rows = [
        [
            ("> " if step["name"] == figures["chosen"] else "  ") + step["name"],
            _figure(step["validation"].get(metric)),
            _gain(step["gain"]),
            duration(step["seconds"]) if step["validation"] else "",
            step["reason"],
        ]
        for step in figures["rungs"]
    ]
    table(f"The ladder, on {metric} of held-out rows", ["rung", metric, "gain", "time", "why"], rows)
    for part in ("validation", "test"):
        if figures[part]:
            found = figures[part][metric]
            click.echo(f"{part}: {metric} {_interval(found)}")
    if "mitigation" in figures:
        eased = figures["mitigation"]
        drawn = f"; {eased['rows']:,} rows drawn, {eased['different_rows']:,} different" if "rows" in eased else ""
        click.echo(f"mitigation: {eased['mitigation']} by {eased['group']}{drawn}. {mitigated.lead(eased)}")
    click.echo(f"expert: {outcome.expert}\nreport: {outcome.report}\nrun:    {outcome.run}")


def demo(outcome: Tuned, spoken: list[dict[str, Any]]) -> None:
    """What `tuned` says, and three predictions."""
    tuned(outcome)
    for answer in spoken:
        click.echo(f"  {answer['text']!r} -> {answer['prediction']} ({answer['confidence']:.0%} sure)")


def inspected(found: Mapping[str, Any]) -> None:
    """Columns, labels, token lengths and problems."""
    columns = [[c["name"], c["role"], c["missing"], c["distinct"], c["reason"]] for c in found["columns"]]
    table(f"{found['rows']} rows; task: {found['task']}", ["column", "role", "missing", "distinct", "why"], columns)
    if found.get("labels"):
        most = max(label["rows"] for label in found["labels"])
        bars = [[x["label"], x["rows"], "█" * max(1, round(30 * x["rows"] / most))] for x in found["labels"][:30]]
        table(f"labels of {found['target']}", ["label", "rows", ""], bars)
    tokens = found.get("tokens")
    if tokens:
        most = max((part["rows"] for part in tokens["histogram"]), default=1) or 1
        bars = [[_span(x), x["rows"], "█" * round(30 * x["rows"] / most)] for x in tokens["histogram"]]
        cut = f"{tokens['truncated']} texts are longer than the base reads ({tokens['limit']} tokens) and will be cut"
        table(f"length in tokens; {cut}", ["tokens", "rows", ""], bars)
    if found["problems"]:
        rows = [[p["severity"], p["rows"], p["detail"], p["fix"]] for p in found["problems"]]
        table("what will hurt", ["", "rows", "what", "what to do"], rows)


def curated(outcome: Curation) -> None:
    """What was found, worst first; what became of the rows; what each fix is worth; where everything lies."""
    figures, findings = outcome.figures, outcome.findings
    table(f"{outcome.rows:,} rows; what was found, worst first", [*_KINDS], _by_kind(findings))
    told = clearest(findings, 12, 2)
    if told:
        rows = [[one.row, one.kind, one.action, _cut(one.detail, 110), _suggested(one)] for one in told]
        table("the surest of each kind", ["row", "kind", "proposed", "what", "instead"], rows)
    if figures["noise_rate"]:
        click.echo(f"wrong labels, estimated: {_share(figures['noise_rate'])}")
    fates = ", ".join(f"{count:,} {fate.replace('_', ' ')}" for fate, count in figures["fates"].items() if count)
    click.echo(f"rows: {fates}" + ("" if figures["applied"] else "; nothing proposed was done (--apply does it)"))
    if figures["review"]:
        _reviewed(figures["review"])
    if figures["worth"]:
        _worth(figures["worth"])
    for note in figures["notes"]:
        click.echo(f"note: {note}")
    click.echo(f"report:  {outcome.report}\nreview:  {figures['review_file']}\ncleaned: {outcome.clean}")


_KINDS = ("kind", "found", "drop", "relabel", "rewrite", "to look at", "surest")


def _by_kind(findings: Sequence[Finding]) -> list[list[Any]]:
    """One row a kind; first where the findings' scores add up to most."""
    kinds: dict[str, list[Finding]] = {}
    for one in findings:
        kinds.setdefault(one.kind, []).append(one)
    order = sorted(kinds, key=lambda kind: -sum(one.score for one in kinds[kind] if one.action != "keep"))
    return [
        [
            kind,
            len(kinds[kind]),
            *(sum(one.action == action for one in kinds[kind]) for action in ("drop", "relabel", "rewrite", "review")),
            f"{max(one.score for one in kinds[kind]):.2f}",
        ]
        for kind in order
    ]


def _suggested(finding: Finding) -> str:
    # A new text may be long, and hold what the page hides.
    said = "" if finding.suggestion is None or finding.action == "rewrite" else str(finding.suggestion)
    said = f"row {said}" if isinstance(finding.suggestion, int) and finding.action == "drop" else said
    return _cut(said, 60)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _reviewed(review: Mapping[str, Any]) -> None:
    click.echo(f"review: {len(review['decisions']):,} decisions of {review['reviewer']} followed")
    if review["unmatched"]:
        rows = [[line["line"], line["row"], line["decision"], line["why"]] for line in review["unmatched"]]
        table(f"{len(rows):,} lines of {review['file']} were not followed", ["line", "row", "decision", "why"], rows)


def _worth(worth: Mapping[str, Any]) -> None:
    rows = [[fix["fix"], fix["rows"], _interval(fix), _gain(fix["gain"])] for fix in worth["fixes"]]
    title = (
        f"what each fix is worth: {worth['metric']} of {worth['rung']} on {worth['rows']:,} {worth['held_out']} rows"
    )
    table(title, ["fix", "rows", worth["metric"], "gain"], [["as it is", "", _interval(worth["base"]), ""], *rows])
    for note in worth["notes"]:
        click.echo(f"note: {note}")


def _share(rate: Mapping[str, Any]) -> str:
    if rate["low"] is None:
        return f"{rate['value']:.1%}"
    return f"{rate['value']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"


def evaluated(found: Evaluated) -> None:
    """Each figure beside the generic base's, the scorecard, and where the page lies."""
    evaluation = found.evaluation
    rows = [
        [name, _interval(interval.as_json()), _interval(evaluation.generic[name].as_json())]
        for name, interval in evaluation.metrics.items()
    ]
    table(f"{evaluation.rows} rows", ["metric", "expert", "generic base"], rows)
    gain = evaluation.gain
    sure = "beyond chance" if gain.low > 0 else "not beyond chance"
    span = f"{gain.points:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})"
    click.echo(f"gain in {evaluation.metric.name} over the generic base: {span}, {sure}")
    cards = [answer.card for answer in found.answers.values() if answer.card is not None]
    if cards:
        table(
            "what else was asked",
            ["", "question", "answer"],
            [[_MARKS[c.standing], c.question, c.answer] for c in cards],
        )
    for note in found.figures["notes"]:
        click.echo(f"note: {note}")
    for check in found.checks:
        if not check.passed:
            click.echo(f"missed: {check.limit.path} is {check.value}")
    click.echo(f"report: {found.report}")


_MARKS = {"good": "ok", "look": "look", "bad": "wrong", "unknown": "?"}


def verified(verdict: Verdict) -> None:
    """Whole or not, and what differs."""
    click.echo(
        f"verified: {verdict.checked} {verdict.unit} are what was recorded"
        if verdict.ok
        else f"differs: {verdict.problem}"
    )
    for note in verdict.notes:
        click.echo(f"note: {note}")


def predict(folder: str, data: str, output: str | None, workspace: str | None, progress: Progress) -> dict[str, Any]:
    """Answer a file's rows or stdin's lines, into a table or as JSON lines on stdout."""
    pieces = (
        _from_stdin(folder_of(folder, Workspace.find(workspace)), progress)
        if data == "-"
        else lifecycle.predict(folder, data, workspace=workspace, progress=progress)
    )
    rows = 0
    if output is None:
        for _, answers in pieces:
            for answer in answers:
                click.echo(json.dumps(answer.as_json(), ensure_ascii=False))
            sys.stdout.flush()
            rows += len(answers)
        return {"rows": rows}
    return {"rows": _write(Path(output), pieces), "output": output}


def _from_stdin(folder: Path, progress: Progress) -> Iterator[tuple[Dataset, list[Prediction]]]:
    expert = Expert.load(folder, progress=progress)
    rows = _stdin_rows()
    while some := list(islice(rows, _LINES)):
        dataset = expert.dataset(some)
        for answers in expert.predicted(dataset):
            yield dataset, answers


def _stdin_rows() -> Iterator[Any]:
    """Texts, or objects where the first line is one; bytes that are no UTF-8 are read as the replacement character."""
    objects = False
    for number, raw in enumerate(sys.stdin.buffer, 1):
        line = raw.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")
        if number == 1:
            objects = line.lstrip().startswith("{")
        yield _object(line, number) if objects else line


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise UsageError(
            "bad-json-line",
            "Where the first line is a JSON object every line must be one.",
            found=f"line {number}: {line[:60]!r}",
            fix="Correct it, or give plain texts, one a line.",
        )
    return row


def _write(path: Path, pieces: Iterable[tuple[Dataset, list[Prediction]]]) -> int:
    import pyarrow.parquet as pq

    kind = path.suffix.lower()
    if kind not in (".csv", ".tsv", ".jsonl", ".parquet"):
        raise UsageError(
            "unknown-output",
            "The output's ending says its form.",
            found=path.name,
            fix="End it in .csv, .tsv, .jsonl or .parquet.",
        )
    rows, writer = 0, None
    with files.open_new(path, durable=False) as file:
        for dataset, answers in pieces:
            piece = _with_answers(dataset.table, answers)
            if kind == ".parquet":
                writer = writer or pq.ParquetWriter(file, piece.schema)
                writer.write_table(piece)
            else:
                file.write(_as_text(piece, kind, first=rows == 0).encode("utf-8", "backslashreplace"))
            rows += len(answers)
        if writer is not None:
            writer.close()
    return rows


def _with_answers(rows: Any, answers: list[Prediction]) -> Any:
    import pyarrow as pa

    told = [answer.as_json() for answer in answers]
    # Some rows may have no interval, as those that could not be read.
    for name in max(told, key=len, default={}):
        taken = name if name not in rows.column_names else f"metier_{name}"
        rows = rows.append_column(taken, pa.array([answer.get(name) for answer in told]))
    return rows


def _as_text(piece: Any, kind: str, *, first: bool) -> str:
    import csv
    import io

    out: TextIO = io.StringIO()
    records = piece.to_pylist()
    if kind == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in records)
    writer = csv.writer(out, delimiter="\t" if kind == ".tsv" else ",", lineterminator="\n")
    if first:
        writer.writerow(piece.column_names)
    writer.writerows([_cell(value) for value in row.values()] for row in records)
    return out.getvalue()  # type: ignore[attr-defined,no-any-return]


def _cell(value: Any) -> Any:
    # `true`, as in JSON: not every reader of CSV takes Python's own True for a truth value.
    return "" if value is None else str(value).lower() if isinstance(value, bool) else value


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _gain(gain: Mapping[str, Any] | None) -> str:
    if not gain or gain["points"] is None:
        return ""
    return f"{gain['points']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"


def _interval(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "not defined here"
    if found["low"] is None:
        return f"{found['value']:.4f}"
    return f"{found['value']:.4f} ({found['low']:.4f} to {found['high']:.4f})"


def _span(part: Mapping[str, Any]) -> str:
    return f"{part['from']}-{part['to']}" if "from" in part else str(part.get("tokens", part.get("label", "")))
