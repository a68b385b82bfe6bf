"""One fate a row: proposals wait, decisions override, changes to one cell are joined, hidden data stays hidden."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from metier.curate.curation import clearest, summary, worst_first
from metier.curate.fates import FATES, Change, Decision, Fates, content_hash, contents, joined, resolve
from metier.curate.findings import Finding
from metier.data.read import read
from metier.plan import DataPlan

FILE = "a.csv"


def finding(kind: str, row: int | None, action: str, score: float = 0.9, **more: object) -> Finding:
    return Finding(kind, row, str(more.pop("file", FILE)), score, f"{kind} of {row}.", action=action, **more)  # type: ignore[arg-type]


def settle(*findings: Finding, apply: bool = True, **more: object) -> Fates:
    return resolve(findings, file=FILE, rows=10, set_aside={}, apply=apply, **more)  # type: ignore[arg-type]


def decide(row: int, word: str, value: object = None) -> dict[int, Decision]:
    return {row: Decision(row, "h", word, value, "Ana", "2026-01-01T10:00:00+00:00")}  # type: ignore[arg-type]


def test_nothing_is_done_unless_asked_for() -> None:
    found = [finding("duplicate", 3, "drop", suggestion=1), finding("label_error", 4, "relabel", suggestion="fees")]
    waiting = settle(*found, apply=False)
    assert waiting.changes_nothing
    assert waiting.counts() == {"kept": 10, "dropped": 0, "relabelled": 0, "rewritten": 0, "set_aside": 0}
    assert waiting.of(3) == ("kept", "proposed and not done: drop, as duplicate of 3", "metier")
    done = settle(*found)
    assert (done.counts()["dropped"], done.counts()["relabelled"], done.counts()["kept"]) == (1, 1, 8)
    assert done.of(4) == ("relabelled", "label_error of 4", "metier")
    assert done.of(5) == ("kept", "", "metier")


def test_what_a_person_should_look_at_is_left_alone() -> None:
    assert (
        settle(finding("label_error", 1, "review", suggestion="fees"), finding("imbalance", None, "review")).done == {}
    )


def test_rows_of_another_file_are_not_touched() -> None:
    assert settle(finding("leakage", 3, "drop", file="test.csv")).done == {}


def test_leaving_out_beats_changing_and_a_label_goes_with_a_text() -> None:
    label = finding("label_error", 2, "relabel", suggestion="fees")
    text = finding("broken", 2, "rewrite", suggestion="clean", column="text")
    both = settle(label, text).done[2]
    assert (both.fate, both.label, both.cells) == ("relabelled", "fees", {"text": "clean"})
    assert settle(label, text, finding("off_topic", 2, "drop", 0.1)).done[2].action == "drop"


def test_the_surer_of_two_labels_is_taken() -> None:
    found = [finding("label_error", 2, "relabel", s, suggestion=name) for s, name in ((0.6, "card"), (0.8, "fees"))]
    assert settle(*found).done[2].label == "fees"


def test_rewritings_of_one_cell_are_joined_and_hiding_wins_where_they_meet() -> None:
    original = "Ã© call 555-0100 now"
    mended = finding("broken", 0, "rewrite", 0.99, suggestion="é call 555-0100 now", column="text")
    hidden = finding("personal_data", 0, "rewrite", 0.5, suggestion="Ã© call [phone] now", column="text")
    cells = {(0, "text"): original}
    assert settle(mended, hidden, original=cells).done[0].cells == {"text": "é call [phone] now"}
    over = finding("broken", 0, "rewrite", 0.99, suggestion="Ã© call 5550100 now", column="text")
    assert "0100" not in settle(over, hidden, original=cells).done[0].cells["text"]
    assert settle(mended, hidden).done[0].cells == {"text": "Ã© call [phone] now"}


@given(st.text("abc ", max_size=30), st.integers(0, 30), st.integers(0, 30))
def test_two_cuts_far_apart_are_both_made(text: str, one: int, other: int) -> None:
    original = f"<{text}>..<secret>..({text})"
    masked = original.replace("<secret>", "<*>")
    cut = original[: one % (len(text) + 1)] + original[one % (len(text) + 1) + 1 :] if text else original
    result = joined(original, [masked, cut])
    assert "secret" not in result


def test_a_decision_overrides_a_proposal_with_or_without_apply() -> None:
    found = [finding("duplicate", 3, "drop", suggestion=1)]
    for apply in (False, True):
        kept = settle(*found, apply=apply, decisions=decide(3, "keep"))
        assert kept.of(3) == ("kept", "Ana decided: keep", "Ana")
        assert kept.done[3].at == "2026-01-01T10:00:00+00:00"
    assert settle(apply=False, decisions=decide(5, "drop")).dropped() == [5]


def test_a_decided_label_leaves_personal_data_hidden_where_proposals_are_followed() -> None:
    hidden = finding("personal_data", 2, "rewrite", suggestion="call [phone]", column="text")
    done = settle(hidden, decisions=decide(2, "relabel", "fees")).done[2]
    assert (done.label, done.cells) == ("fees", {"text": "call [phone]"})
    assert settle(hidden, apply=False, decisions=decide(2, "relabel", "fees")).done[2].cells == {}


def test_when_a_person_drops_the_kept_copy_the_other_is_kept() -> None:
    copies = [finding("duplicate", 3, "drop", suggestion=1), finding("near_duplicate", 4, "drop", suggestion=2)]
    fates = settle(*copies, decisions=decide(1, "drop"))
    assert fates.dropped() == [1, 4]


def test_rows_set_aside_keep_their_reason_until_they_are_dropped() -> None:
    aside = {7: "empty text"}
    fates = resolve([], file=FILE, rows=10, set_aside=aside, apply=True)
    assert fates.of(7) == ("set_aside", "empty text", "metier")
    assert fates.counts()["set_aside"] == 1
    gone = resolve([finding("broken", 7, "drop")], file=FILE, rows=10, set_aside=aside, apply=True)
    assert gone.of(7)[0] == "dropped"
    assert gone.counts()["set_aside"] == 0


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["keep", "review", "drop", "relabel", "rewrite"])), max_size=20
    ),
    st.booleans(),
)
def test_every_row_has_exactly_one_fate(found: list[tuple[int, str]], apply: bool) -> None:
    findings = [
        finding("broken", row, action, suggestion="x", column="text" if action == "rewrite" else None)
        for row, action in found
    ]
    fates = settle(*findings, apply=apply)
    assert sum(fates.counts().values()) == 10
    counted = [fates.of(row)[0] for row in range(10)]
    assert {fate: counted.count(fate) for fate in FATES} == fates.counts()
    assert all(reason for row in range(10) for fate, reason, _ in [fates.of(row)] if fate != "kept")


def test_the_content_hash_is_of_the_cells_and_no_spreadsheet_takes_it_for_a_number(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,intent\na,x\nb,y\na,x\na,y\n" * 3)
    data = read(tmp_path / "a.csv", DataPlan(target="intent", header="yes"), tmp_path / "cache")
    found = dict(contents(data))
    assert found[0] == found[2] != found[1]
    assert len({found[0], found[1], found[3]}) == 3
    assert dict(contents(data, [3, 1])) == {3: found[3], 1: found[1]}
    assert all(text[0] == "h" and len(text) == 16 for text in found.values())
    assert content_hash(["a", "b"], ["x", None]) != content_hash(["a", "b"], [None, "x"])


def test_findings_are_counted_by_kind_and_told_worst_first() -> None:
    found = [
        finding("off_topic", 1, "review", 0.5),
        finding("duplicate", 2, "drop", 0.9),
        finding("duplicate", 3, "drop"),
    ]
    assert summary(found) == {"duplicate": 2, "off_topic": 1}
    assert [one.row for one in worst_first(found)] == [2, 3, 1]
    assert [one.row for one in clearest(found, 10, 1)] == [1, 2]


def test_a_change_says_what_it_is_in_plain_json() -> None:
    change = Change(3, "relabel", "why", 0.5, ("label_error",), label="fees")
    assert change.as_json()["by"] == "metier"
    assert change.fate == "relabelled"
