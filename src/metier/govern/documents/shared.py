"""What several documents say alike: the figures, the data, the training, groups, robustness, approvals, findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.govern.documents.basis import EVALUATION, Basis, file_name, joined, plain, unit, yes
from metier.govern.documents.dossier import REGISTRY
from metier.govern.documents.law import LAW
from metier.govern.documents.pieces import Cell, Facts, Lacking, Part, Prose, Said, Table, text
from metier.govern.documents.sources import pointer
from metier.pages import words

ABOUT = "expert/metier.json"
_MOST_GROUPS, _MOST_SLICES = 24, 8


def identity(basis: Basis) -> Facts:
    """Which expert this is, exactly: names, versions, hashes."""
    release = basis.said(REGISTRY, "/release/name")
    version = basis.said(REGISTRY, "/release/version", lambda number: f"version {number}")
    stage = basis.said(REGISTRY, "/release/stage", lambda name: f"({name})")
    draft = text("A draft: the registry knows of no release of it.")
    return facts(
        ("Release", joined(release, version, stage) if release else draft),
        ("Expert", basis.said(ABOUT, "/name")),
        ("Its seal", basis.said("expert/manifest.json", "/root")),
        ("Made by", basis.said(ABOUT, "/version", lambda number: f"metier {number}")),
        ("Made in the run", basis.said(ABOUT, "/run")),
        ("The run's seal", basis.said("run/done.json", "/root")),
        ("Ledger", joined(
            basis.said(REGISTRY, "/ledger/records", lambda records: f"{words.count(records)} records,"),
            basis.said(REGISTRY, "/ledger/root", lambda root: f"root {root}"),
        )),
    )


def method(basis: Basis) -> Facts:
    """How it was made: the base, the rung, the choices."""
    base = ABOUT, "/base"
    return facts(
        ("Task", joined(basis.said(ABOUT, "/task"), _labels(basis))),
        ("Reads", basis.said(ABOUT, "/reads", ", ".join)),
        ("Predicts", basis.said(ABOUT, "/target_column")),
        ("Base model", joined(
            basis.said(*_at(base, "name")),
            basis.said(*_at(base, "architecture"), lambda name: f"({name},"),
            basis.said(*_at(base, "parameters"), lambda number: f"{words.count(number)} parameters)"),
        )),
        ("Licence of the base", basis.said(*_at(base, "licence"), otherwise=text("None is named in its folder."))),
        ("SHA-256 of the base", basis.said(*_at(base, "sha256"))),
        ("Rung of the ladder", joined(basis.said(ABOUT, "/rung"), _reason(basis))),
        ("Optimised for", basis.said(ABOUT, "/metric")),
        ("Seed", basis.said(ABOUT, "/seed")),
        ("Trained privately", basis.said("run/plan.json", "/private/epsilon", lambda e: f"yes, epsilon {e:g}", text("no"))),
        ("Done about gaps between groups", basis.said("run/plan.json", "/fair/mitigate")),
    )


def ladder(basis: Basis) -> Table | None:
    """What was tried and why it was or was not taken."""
    rows = []
    for at, step in basis.listed("run/evaluation.json", "/rungs"):
        place = pointer("rungs", at)
        name = basis.metric
        rows.append((
            basis.said("run/evaluation.json", place + "/name"),
            basis.figure("run/evaluation.json", place + "/interval", unit(name), text("not tried")),
            basis.said("run/evaluation.json", place + "/taken", yes),
            basis.said("run/evaluation.json", place + "/reason"),
        ))
    return Table(("Rung", basis.metric, "Taken", "Why"), tuple(rows)) if rows else None


def figures(basis: Basis) -> Part:
    """Every metric with its interval, beside the generic base on the same rows."""
    found, generic = basis.measured_on, basis.generic_on
    if found is None:
        return Part("How well it does", (Prose(basis.measured("evaluation", ())),))
    rows, strips = [], []
    table: Mapping[str, Any] = basis.get(*found)
    for name, one in table.items():
        beside = basis.get(generic[0], generic[1] + pointer(name)) if generic else None
        rows.append((
            text(f"{plain(name)} ({name})" if plain(name) != name else name),
            basis.figure(found[0], found[1] + pointer(name), unit(name), text("not defined on these rows")),
            basis.figure(generic[0], generic[1] + pointer(name), unit(name)) if generic else (),
        ))
        low, high = words.ends(one)
        strips.append((words.finite(one.get("value")), low, high, words.finite((beside or {}).get("value")), unit(name)))
    level = basis.said(ABOUT, "/level", lambda share: f"Ranges are intervals at the level of {share:.0%}.")
    where = basis.rows_measured()
    table_ = Table(("Metric", "Expert", "Generic base"), tuple(rows), tuple(strips))
    prose = tuple(Prose(cell) for cell in (joined(text("Measured on"), where), level, gain(basis)) if cell)
    return Part("How well it does", (*prose, table_))


def gain(basis: Basis) -> Cell:
    """What tuning was worth, paired on the same rows."""
    for name, place in ((EVALUATION, "/gain"), ("run/evaluation.json", "/evaluation/gain")):
        found = basis.get(name, place)
        if isinstance(found, Mapping) and words.finite(found.get("points")) is not None:
            metric = str(found.get("metric"))
            low, high = words.ends(found)
            amount = words.figure(found["points"], low, high, unit(metric))
            sure = low is not None and high is not None and (low > 0 or high < 0)
            verdict = "beyond chance" if sure else "no more than chance explains"
            return (Said(f"Gain over the generic base in {metric}: {amount}, {verdict}.", basis.evidence(name, place)),)
    return ()


def groups(basis: Basis) -> Part:
    """How groups of people are treated."""
    name = "Whether groups are treated alike"
    column = basis.get(EVALUATION, "/bias/group")
    rates = basis.get(EVALUATION, "/bias/rates")
    if not column or not isinstance(rates, Mapping):
        needs = basis.measured("bias", (), "--group COLUMN")
        return Part(name, (Prose(needs), *_swapped(basis)))
    measures = [key for key in ("selection_rate", "tpr", "fpr", "precision", "accuracy", "mean_error", "mae") if any(key in one for one in rates.values())]
    rows = tuple(
        (text(str(group)), basis.said(EVALUATION, pointer("bias", "rates", group, "rows"), words.count),
         *(_rate(basis, group, key) for key in measures))
        for group in list(rates)[:_MOST_GROUPS]
    )
    gaps = [key for key in basis.get(EVALUATION, "/bias", {}) if key.endswith(("_difference", "_ratio"))]
    told = tuple((key.replace("_", " "), _gap(basis, key)) for key in gaps)
    title = {"tpr": "found of those truly so", "fpr": "wrongly called so", "selection_rate": "called so"}
    columns = (str(column), "rows", *(title.get(key, key.replace("_", " ")) for key in measures))
    return Part(name, (Table(columns, rows), facts(*told), *_swapped(basis)))


def _rate(basis: Basis, group: str, key: str) -> Cell:
    whole = basis.figure(EVALUATION, pointer("bias", "intervals", "rates", group, key), unit(key))
    return whole or basis.said(EVALUATION, pointer("bias", "rates", group, key), words.number)


def _gap(basis: Basis, key: str) -> Cell:
    whole = basis.figure(EVALUATION, pointer("bias", "intervals", key))
    return whole or basis.said(EVALUATION, pointer("bias", key), words.number)


def _swapped(basis: Basis) -> tuple[Facts, ...]:
    """What changes where words or values that stand for people are swapped, axis by axis."""
    rows = tuple(
        (f"Answers that change where {one['axis']} is swapped", _swap(basis, at))
        for at, one in basis.listed(EVALUATION, "/bias/swaps")
    )
    return (facts(*rows),) if rows else ()


def _swap(basis: Basis, at: int) -> Cell:
    place = pointer("bias", "swaps", at, "intervals", "flip_rate")
    return basis.figure(EVALUATION, place, "%") or basis.said(EVALUATION, pointer("bias", "swaps", at, "flip_rate"))


def slices(basis: Basis) -> Part:
    """Kinds of rows on which it does worse beyond chance."""
    worse = [at for at, one in basis.listed(EVALUATION, "/slices") if one.get("worse")]
    if not basis.get(EVALUATION, "/slices"):
        return Part("Where it does worse", (Prose(basis.measured("slices", ())),))
    if not worse:
        cell: Cell = (Said("No kind of rows was found on which it does worse beyond chance.", basis.evidence(EVALUATION, "/slices")),)
        return Part("Where it does worse", (Prose(cell),))
    rows = tuple(
        (basis.said(EVALUATION, pointer("slices", at, "by")), basis.said(EVALUATION, pointer("slices", at, "slice")),
         basis.said(EVALUATION, pointer("slices", at, "rows"), words.count),
         basis.figure(EVALUATION, pointer("slices", at), unit(str(basis.get(EVALUATION, pointer("slices", at, "metric"))))))
        for at in worse[:_MOST_SLICES]
    )
    return Part("Where it does worse", (Table(("By", "Rows where it is", "rows", basis.metric), rows),))


def resilience(basis: Basis) -> Facts:
    """What else was measured: robustness, forgetting, confidence, privacy, explanations, cost."""
    return facts(
        ("Worst change of inputs", basis.measured("robustness", _worst_change(basis))),
        ("General ability kept", basis.measured("forgetting", basis.figure(EVALUATION, "/forgetting/general/share", "%"))),
        ("Gap between confidence and truth (ECE)", basis.measured("calibration", _number(basis, "/calibration/ece"))),
        ("Telling members of the training rows apart (AUC; 0.5 is chance)", basis.measured("privacy", basis.figure(EVALUATION, "/privacy/auc"))),
        ("Most faithful explanation", basis.measured("explanation", basis.said(EVALUATION, "/explanation/best"))),
        ("Time of an answer, half of them under", basis.measured("cost", basis.said(EVALUATION, "/cost/expert/latency_ms/p50", lambda ms: words.number(ms, "ms")))),
        ("Memory while answering", basis.said(EVALUATION, "/cost/expert/memory_mib", lambda mib: words.number(mib, "MiB"))),
        ("Energy of a million answers", basis.said(EVALUATION, "/cost/expert/watt_hours_per_million", lambda wh: words.number(wh, "Wh"))),
    )


def unmeasured(basis: Basis) -> Part:
    """What the evaluation itself says it could not see."""
    place = pointer("notes")
    notes = tuple(basis.said(EVALUATION, place + pointer(at)) for at, _ in basis.listed(EVALUATION, place))
    blocks = tuple(Prose(note) for note in notes) or (Prose(basis.measured("evaluation", ())),)
    return Part("What the evaluation could not see", blocks)


def data(basis: Basis) -> Facts:
    """The data it learnt from and was measured on, by hash."""
    return facts(
        ("Training data", joined(basis.said("run/data.json", "/train/source/path", file_name), basis.said("run/data.json", "/train/rows", lambda n: f"({words.count(n)} rows)"))),
        ("Its SHA-256", basis.said(ABOUT, "/data")),
        ("Curated from", basis.said("curation/data.json", "/train/source/sha256", otherwise=text("Not curated by metier."))),
        ("Test data", basis.said("run/data.json", "/test/source/path", file_name, text("None was given to the tuning."))),
        ("Its SHA-256 (test)", basis.said("run/data.json", "/test/source/sha256")),
        ("Evaluated on", basis.measured("evaluation", basis.said("evaluation/data.json", "/evaluated/source/path", file_name))),
        ("Its SHA-256 (evaluation)", basis.said("evaluation/data.json", "/evaluated/source/sha256")),
        ("How rows were held out", joined(
            basis.said("run/split.json", "/method"),
            basis.said("run/split.json", "/rows/train", lambda n: f"({words.count(n)} to learn from,"),
            basis.said("run/split.json", "/rows/validation", lambda n: f"{words.count(n)} held out)"),
        )),
    )


def machine(basis: Basis) -> Facts:
    """What it was made with."""
    place = "run/environment.json"
    return facts(
        ("Processor", joined(basis.said(place, "/cpu/model"), basis.said(place, "/cpu/cores", lambda n: f"({n} cores)"))),
        ("Memory", basis.said(place, "/memory_mib", lambda mib: words.number(mib, "MiB"))),
        ("System", joined(basis.said(place, "/platform/system"), basis.said(place, "/platform/machine"))),
        ("Python", basis.said(place, "/python")),
        ("metier", basis.said(place, "/metier")),
        ("torch", basis.said(place, "/packages/torch")),
        ("transformers", basis.said(place, "/packages/transformers")),
        ("Time of tuning", basis.said("run/evaluation.json", "/seconds", words.seconds)),
        ("Most memory in tuning", basis.said("run/evaluation.json", "/peak_memory_mib", lambda mib: words.number(mib, "MiB"))),
    )


def approvals(basis: Basis) -> Part:
    """Who decided what, after which gates; what was waived; what a validator found."""
    blocks: list[Facts | Table | Prose] = []
    if basis.dossier.gates:
        blocks.append(_table(basis, "gates", ("gate", "wanted", "found", "passed")))
    if basis.dossier.approvals:
        blocks.append(_table(basis, "approvals", ("name", "role", "decision", "reason", "at")))
    if basis.dossier.waivers:
        blocks.append(_table(basis, "waivers", ("gate", "name", "reason", "until")))
    if not blocks:
        blocks.append(Prose((Lacking("approvals", "No gate and no approval is recorded.", "metier release EXPERT --policy FILE"),)))
    return Part("Gates and approvals", tuple(blocks))


def findings(basis: Basis) -> Part:
    """What the independent validation found, and how it was closed."""
    title = "Findings of the validation"
    if not basis.dossier.findings:
        return Part(title, (Prose(text("No finding is recorded.")),))
    columns = ("id", "severity", "text", "by", "at", "closing", "closed_by")
    return Part(title, (_table(basis, "findings", columns),))


def laws(*names: str) -> Part:
    """Which texts were followed, and as of when."""
    return Part("What this document follows", tuple(Prose(text(LAW[name].told())) for name in names))


def asked(basis: Basis, **titles: str) -> Facts:
    """Questions by id (with `_` for `-`) under short titles, each with a person's answer or open."""
    return Facts(tuple((title, basis.asked(id.replace("_", "-"))) for id, title in titles.items()))


def facts(*rows: tuple[str, Cell]) -> Facts:
    """Facts without those of which nothing is recorded."""
    return Facts(tuple((name, cell) for name, cell in rows if cell))


def _table(basis: Basis, field: str, columns: tuple[str, ...]) -> Table:
    rows = []
    for at, _ in enumerate(getattr(basis.dossier, field)):
        rows.append(tuple(basis.said(REGISTRY, pointer(field, at, column), _word) for column in columns))
    return Table(tuple(column.replace("_", " ") for column in columns), tuple(rows))


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return yes(value)
    if isinstance(value, float):
        return words.number(value)
    return str(value)


def _at(place: tuple[str, str], step: str) -> tuple[str, str]:
    return place[0], place[1] + pointer(step)


def _labels(basis: Basis) -> Cell:
    return basis.said(ABOUT, "/target/labels", lambda labels: f"with {len(labels)} labels")


def _reason(basis: Basis) -> Cell:
    chosen = basis.get(ABOUT, "/rung")
    for at, step in basis.listed("run/evaluation.json", "/rungs"):
        if step.get("name") == chosen:
            return basis.said("run/evaluation.json", pointer("rungs", at, "reason"), lambda why: f"({why})")
    return ()


def _worst_change(basis: Basis) -> Cell:
    drops = [(one["drop"], at) for at, one in basis.listed(EVALUATION, "/robustness") if words.finite(one.get("drop")) is not None]
    if not drops:
        return ()
    _, at = max(drops)
    one = basis.get(EVALUATION, pointer("robustness", at))
    lost = words.figure(one["drop"], one.get("drop_low"), one.get("drop_high"), unit(str(one.get("metric"))))
    return (Said(f"{one['perturbation']} at {one['severity']:g}: loses {lost} of {one.get('metric')}", basis.evidence(EVALUATION, pointer("robustness", at))),)


def _number(basis: Basis, place: str) -> Cell:
    return basis.said(EVALUATION, place, lambda value: words.number(value))
