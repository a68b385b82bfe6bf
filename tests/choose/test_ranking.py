"""Ranking: the better base first, equals to the smaller, what is left out of it said; and the command around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metier.choose.candidates import Candidate
from metier.choose.ground import Ground, lay
from metier.choose.ranking import Ranking, _sizes, rank
from metier.errors import DataError
from metier.plan import Plan
from metier.progress import Silent
from metier.trunk.base import find
from metier.workspace import Workspace


@pytest.fixture
def laid(ticket_rows, tmp_path: Path) -> Callable[..., Ground]:
    def lay_out(rows: int, **choices: object) -> Ground:
        return lay(ticket_rows(rows), Plan.of(target="intent", **choices), Workspace(tmp_path / "home"))

    return lay_out


def ranked(ground: Ground, *folders: Path) -> Ranking:
    found = [Candidate(str(folder), find(str(folder)), 1.0) for folder in folders]
    return rank(ground, found, [], Silent())


def test_the_base_that_tells_words_apart_comes_first(word_table, laid) -> None:
    good, blind = word_table("good", good=True), word_table("blind", good=False)
    found = ranked(laid(240), blind, good)
    assert [entry["base"] for entry in found.entries] == [str(good), str(blind)]
    first, second = found.entries
    assert first["low"] <= first["score"] <= first["high"]
    assert first["score"] > second["score"] + 0.1
    assert "behind" in second["reason"]
    assert found.regret["bound"] == 0
    assert found.held_out == 240


def test_of_equals_the_smaller_is_chosen(word_table, laid) -> None:
    large, small = word_table("large", good=True, spare=500), word_table("small", good=True)
    found = ranked(laid(160), large, small)
    assert found.chosen == str(small)
    assert found.entries[0]["score"] == found.entries[1]["score"]


def test_the_blind_leave_early_and_it_is_said_when(word_table, laid) -> None:
    tables = [word_table("good", good=True), word_table("blind", good=False)]
    found = ranked(laid(1300), *tables)
    assert found.rounds == (346,)  # one is left: nothing remains to be decided
    last = found.entries[-1]
    assert last["base"] == str(tables[1])
    assert last["rows"] == 346
    assert "left after 346 rows" in last["reason"]


def test_without_time_the_first_round_decides(word_table, laid) -> None:
    tables = [word_table("good", good=True), word_table("large", good=True, spare=9)]
    found = ranked(laid(1300, time_limit="0.01s"), *tables)
    assert found.rounds == (346,)


def test_rounds_grow_threefold_and_never_start_where_the_rung_works_by_other_rules() -> None:
    assert _sizes(9000, 2) == [1000, 3000, 9000]
    assert _sizes(8000, 77) == [2666, 8000]
    assert _sizes(500, 2) == [500]
    assert _sizes(10**6, 2)[-1] == 20_000


def test_a_kind_without_bases_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("amount,age,late\n" + "".join(f"{at},{at % 7},{'yes' if at % 3 else 'no'}\n" for at in range(60)))
    ground = lay(path, Plan.of(target="late"), Workspace(tmp_path / "home"))
    with pytest.raises(DataError) as caught:
        rank(ground, [], [], Silent())
    assert caught.value.code == "no-bases"
    assert "trees" in caught.value.found


def test_the_command_ranks_and_leaves_a_plan(word_table, ticket_rows, tmp_path: Path, metier) -> None:
    good, blind = word_table("good", good=True), word_table("blind", good=False)
    data = ticket_rows(160)
    words = ["bases", data, "--target", "intent", "--max-mib", "1", "--workspace", tmp_path / "home"]
    answer = metier(*words, "--candidate", good.parent, "--json")
    assert answer.code == 0, answer
    found = answer.json
    assert [entry["base"] for entry in found["ranking"]] == [str(good), str(blind)]
    assert {"base", "score", "low", "high", "seconds", "reason"} <= set(found["ranking"][0])
    assert {one["name"] for one in found["excluded"]} >= {"minilm", "minilm:3"}
    plan = Plan.load(found["plan"])
    assert plan.base.base == found["chosen"] == str(good)
    assert plan.choose.candidate == (str(good), str(blind))
    assert metier("verify", found["run"]).code == 0
    told = metier(*words, "--candidate", good)
    assert told.code == 0
    assert f"metier tune {data} --base {good}" in told.out
