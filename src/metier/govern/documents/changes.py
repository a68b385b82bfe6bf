"""The change log between two versions in plain words: figures, rows, choices, base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metier.govern.documents import shared
from metier.govern.documents.basis import EVALUATION, Basis, file_name, joined, plain, unit
from metier.govern.documents.dossier import DATA_CHANGE
from metier.govern.documents.pieces import (
    Block,
    Cell,
    Document,
    Evidence,
    Facts,
    Lacking,
    Part,
    Prose,
    Said,
    Table,
    text,
)
from metier.govern.documents.sources import pointer
from metier.govern.run_records import TUNED
from metier.pages import words

_OLD = "previous/"
_PLAN = "run/plan.json"
_OWN = "run/evaluation.json"
_MOST_CHOICES = 60


def write(basis: Basis) -> Document | None:
    """The log, or None where there is no version before."""
    if basis.dossier.previous is None:
        return None
    old = basis.dossier.previous
    parts = (
        Part("The two versions", (Facts((("Before", _which(basis, _OLD)), ("Now", _which(basis, "")))),)),
        Part("Figures", _figures(basis)),
        Part("Rows", _rows(basis)),
        Part("Choices", (_choices(basis),)),
        Part("Base and software", (_base(basis), _software(basis))),
    )
    lead = f"What changed from {old.name} as it was to this version."
    return Document("changes", f"{basis.dossier.name}: changes since the last version", lead, parts, ())


def blocks(basis: Basis) -> tuple[Block, ...]:
    """The same, as blocks of another document; a sentence where there is no version before."""
    if basis.dossier.previous is None:
        return (Prose(text("No version before this one was given to compare with.")),)
    return (*_figures(basis), *_rows(basis), _choices(basis), _base(basis))


def _which(basis: Basis, side: str) -> Cell:
    return joined(
        basis.said(f"{side}expert/metier.json", "/name"),
        basis.said(f"{side}registry.json", "/release/version", lambda number: f"version {number}"),
        basis.said(f"{side}expert/manifest.json", "/root", lambda root: f"sealed {root[:12]}"),
    )


def _figures(basis: Basis) -> tuple[Block, ...]:
    same, old, new = _places(basis)
    if old is None or new is None:
        return (Prose(basis.measured("evaluation", ())),)
    before, after = basis.get(*old, {}), basis.get(*new, {})
    rows = tuple(
        (
            text(f"{plain(name)} ({name})" if plain(name) != name else name),
            basis.figure(old[0], old[1] + pointer(name), unit(name)),
            basis.figure(new[0], new[1] + pointer(name), unit(name)),
        )
        for name in after
        if name in before
    )
    words_ = (
        "Both versions were measured on the same rows."
        if same
        else ("The two versions were measured on different rows: their figures stand side by side and prove nothing.")
    )
    return (Prose(text(words_)), Table(("Metric", "Before", "Now"), rows), Prose(_paired(basis)))


def _places(basis: Basis) -> tuple[bool, tuple[str, str] | None, tuple[str, str] | None]:
    """Whether there are figures of both on the same rows, and where those that are compared stand."""
    for data, figures, place in (("evaluation/data.json", EVALUATION, "/metrics"), ("run/data.json", _OWN, "/test")):
        where = "/evaluated/source/sha256" if figures == EVALUATION else "/test/source/sha256"
        hashes = [basis.get(side + data, where) for side in (_OLD, "")]
        if hashes[0] and hashes[0] == hashes[1]:
            return True, (_OLD + figures, place), (figures, place)
    sides = []
    for side in (_OLD, ""):
        options = ((EVALUATION, "/metrics"), (_OWN, "/test"), (_OWN, "/validation"))
        sides.append(next(((side + name, place) for name, place in options if basis.get(side + name, place)), None))
    return False, sides[0], sides[1]


def _paired(basis: Basis) -> Cell:
    """The paired gain over the version before, where an evaluation compared the two row by row."""
    manifest = basis.sources[f"{_OLD}expert/manifest.json"].sha256
    for number, _ in enumerate(basis.dossier.evaluations, 1):
        name = f"evaluation{'' if number == 1 else f'-{number}'}/evaluation.json"
        if basis.get(name, "/against/manifest") != manifest:
            continue
        for at, one in basis.listed(name, "/against/gains"):
            if one.get("metric") == basis.get(name, "/metric"):
                return (Said(_verdict(one), (Evidence(name, pointer("against", "gains", at)),)),)
    fix = "metier evaluate EXPERT DATA --against THE_VERSION_BEFORE"
    return (Lacking("measure-paired", "The two versions were not compared row by row.", fix),)


def _verdict(one: Mapping[str, Any]) -> str:
    metric = str(one["metric"])
    low, high = words.ends(one)
    sure = low is not None and low > 0, high is not None and high < 0
    told = "better than" if sure[0] else "worse than" if sure[1] else "not to be told from"
    amount = words.figure(one["points"], low, high, unit(metric))
    return f"Compared row by row, this version is {told} the one before: {amount} in {metric}."


def _rows(basis: Basis) -> tuple[Block, ...]:
    hashes = [basis.get(side + shared.ABOUT, "/data") for side in (_OLD, "")]
    if hashes[0] == hashes[1]:
        same = Said(
            "Both learnt from the same rows.", (Evidence(_OLD + shared.ABOUT, "/data"), Evidence(shared.ABOUT, "/data"))
        )
        return (Prose((same,)),)
    counts = shared.facts(*((title, _data(basis, side)) for title, side in (("Before", _OLD), ("Now", ""))))
    told = {
        "added": "Rows added",
        "removed": "Rows removed",
        "changed": "Rows changed",
        "relabelled": "Rows given another label",
        "same": "Rows as before",
    }
    found = tuple((title, basis.said(DATA_CHANGE, pointer("rows", key), words.count)) for key, title in told.items())
    if not any(cell for _, cell in found):
        lost: Cell = (
            Lacking(
                "data-change",
                "Which rows changed cannot be told: the rows of both versions are not here.",
                "metier data diff BEFORE NOW",
            ),
        )
        return (counts, Prose(lost))
    return (counts, shared.facts(*found))


def _data(basis: Basis, side: str) -> Cell:
    path = basis.said(f"{side}run/data.json", "/train/source/path", file_name)
    rows = basis.said(f"{side}run/data.json", "/train/rows", lambda number: f"with {words.count(number)} rows,")
    return joined(path, rows, basis.said(f"{side}{shared.ABOUT}", "/data", lambda found: f"SHA-256 {found[:12]}"))


def _choices(basis: Basis) -> Block:
    """The plan's choices that an expert depends on, where they differ."""
    old, new = (dict(_flat(basis.get(side + _PLAN, "", {}))) for side in (_OLD, ""))
    rows = []
    for place in dict.fromkeys((*old, *new)):
        if old.get(place) != new.get(place) and place.split("/")[1] in TUNED:
            rows.append((text(place[1:].replace("/", ".")), *(_choice(basis, side, place) for side in (_OLD, ""))))
    if not old or not new:
        return Prose(text("The plan of one of the two runs is not here."))
    if not rows:
        return Prose((Said("Every choice is as it was.", (Evidence(_OLD + _PLAN, ""), Evidence(_PLAN, ""))),))
    return Table(("Choice", "Before", "Now"), tuple(rows[:_MOST_CHOICES]))


def _choice(basis: Basis, side: str, place: str) -> Cell:
    show = file_name if place in ("/data/test", "/base/base") else str
    return basis.said(side + _PLAN, place, show, text("left to metier"))


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(item, place + pointer(name))
    else:
        yield place, value


def _base(basis: Basis) -> Block:
    places = [(side + shared.ABOUT, "/base/sha256") for side in (_OLD, "")]
    names = [basis.said(side + shared.ABOUT, "/base/name") for side in (_OLD, "")]
    hashes = [basis.said(*place, lambda found: f"(SHA-256 {found[:12]})") for place in places]
    if basis.get(*places[0]) == basis.get(*places[1]):
        return Prose(joined(text("The base is the same:"), names[1], hashes[1]))
    return Facts((("Base before", joined(names[0], hashes[0])), ("Base now", joined(names[1], hashes[1]))))


def _software(basis: Basis) -> Block:
    old, new = (basis.get(f"{side}run/environment.json", "/packages", {}) for side in (_OLD, ""))
    place = "run/environment.json"
    rows = tuple(
        (
            text(name),
            *(basis.said(side + place, pointer("packages", name), str, text("not recorded")) for side in (_OLD, "")),
        )
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )
    if not rows:
        return Prose(text("The recorded packages are the same."))
    return Table(("Package", "Before", "Now"), rows)
