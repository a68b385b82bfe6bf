"""The advice in plain sentences: which way to take, what the others are worth, what more labels would buy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metier.compare.outcome import Outcome, Standing
from metier.pages.words import count, figure, number, plural
from metier.pages.words import seconds as duration


def unit(outcome: Outcome) -> str:
    """`%` for scores that are shares, else nothing."""
    values = [point["value"] for point in outcome.points if point["value"] is not None]
    share = outcome.field.metric.greater_is_better and all(0 <= value <= 1 for value in values)
    return "%" if share and ":" not in outcome.field.metric.name else ""


def headline(outcome: Outcome) -> str:
    """The verdict in one sentence."""
    chosen, best = outcome.way(outcome.recommended), outcome.standings[0]
    if _unmeasured(outcome):
        if any(one.way.dear and one.gain is not None and one.gain.high < 0 for one in outcome.standings):
            return "Fine-tuning is likely to pay: with as many labels as there was time for, it is ahead beyond chance."
        return f"{chosen.title}, so far: there was no time to fine-tune on all of your labels."
    if chosen.name == outcome.ways[0].name and len(outcome.ways) > 1 and not chosen.rung.trains:
        return f"{chosen.title}: nothing that was tried is better beyond chance."
    if chosen.scratch:
        return "Train from scratch: on these rows a pre-trained base is worth nothing."
    if chosen.dear:
        return "Fine-tune: nothing cheaper is as good on your rows."
    if chosen.name == best.way.name:
        return f"{chosen.title}: nothing that was tried is better, and nothing as good is cheaper."
    return f"{chosen.title}: dearer ways were not better beyond chance."


def _unmeasured(outcome: Outcome) -> bool:
    """Whether a way that fine-tunes was asked for and could not be measured on all labels."""
    tuned = [way for way in outcome.ways if way.dear and not way.scratch]
    full = outcome.standings[0].rows
    standings = [outcome.standing(way.name) for way in tuned]
    return any(one is None or one.rows < full for one in standings)


def sentences(outcome: Outcome) -> list[str]:
    """The advice, most important first."""
    said = [_chosen(outcome), *_others(outcome), *_labels(outcome), *_future(outcome), *_cost(outcome)]
    if outcome.skipped:
        fits = sum(one.repeats for one in outcome.skipped)
        said.append(
            f"{plural(fits, 'fit')} {'was' if fits == 1 else 'were'} not run for want of time or rows; "
            "a longer --time-limit runs more."
        )
    return said


def _chosen(outcome: Outcome) -> str:
    one = outcome.standing(outcome.recommended)
    assert one is not None
    best = outcome.standings[0]
    unseen = count(len(outcome.field.held_out))
    told = (
        f"With {count(one.rows)} labels “{one.way.title}” reaches {_scored(outcome, one)} "
        f"on {unseen} rows it never saw."
    )
    if one.gain is not None:
        told += f" “{best.way.title}” is {_apart(outcome, one)} ahead, which may be chance."
    return told


def _others(outcome: Outcome) -> list[str]:
    best, said = outcome.standings[0], []
    for one in outcome.standings:
        if one.way.name == outcome.recommended or one.gain is None:
            continue
        name = f"“{one.way.title}”"
        if one.rows == best.rows:
            sure = "beyond chance" if one.gain.proven else "within chance"
            said.append(f"{name} reaches {_scored(outcome, one)}, {_apart(outcome, one)} behind the best, {sure}.")
        else:
            said.append(
                f"{name} was fitted on {count(one.rows)} labels at most, where it reaches {_scored(outcome, one)}, "
                f"{_beside(outcome, one)} “{best.way.title}” with as many."
            )
    return said


def _beside(outcome: Outcome, one: Standing) -> str:
    """How far a way is from the best one, on whichever side."""
    assert one.gain is not None
    ahead = one.gain.points < 0
    points, low, high = one.gain.points, one.gain.low, one.gain.high
    gain = {"value": -points, "low": -high, "high": -low} if ahead else {"value": points, "low": low, "high": high}
    return f"{_points(gain, unit(outcome), sign=False)} {'ahead of' if ahead else 'behind'}"


def _labels(outcome: Outcome) -> list[str]:
    """How many labels the other ways would need to be as good, those with a curve to go by."""
    said, never, learning = [], [], {one["way"] for one in outcome.forecasts}  # others learn nothing from labels
    for one in outcome.needed:
        if one["way"] == outcome.recommended or not one["known"] or one["way"] not in learning:
            continue
        name = f"“{outcome.way(one['way']).title}”"
        if one["rows"] is None:
            never.append(name)
        elif one["rows"] > outcome.rows:
            said.append(f"{name} would need about {_rows(one)}.")
    if never:
        said.append(f"No number of labels within reach would do for {' or '.join(never)}.")
    return [f"To reach {_goal(outcome)}: " + " ".join(said)] if said else []


def _future(outcome: Outcome) -> list[str]:
    found = next((one for one in outcome.forecasts if one["way"] == outcome.recommended), None)
    if found is None:
        return []
    gain, shown = found["gain"], unit(outcome)
    told = (
        f"{count(found['more'])} more labels would bring it to about "
        f"{figure(found['value'], found['low'], found['high'], shown)}: {_points(gain, shown)}."
    )
    past = found["hindcast"]
    if past is not None:
        told += (
            " Made without the largest size, the same forecast said "
            f"{figure(past['value'], past['low'], past['high'], shown)} "
            f"for {count(past['rows'])} labels; measured were {number(past['measured'], shown)}."
        )
    return [told]


def _cost(outcome: Outcome) -> list[str]:
    one = outcome.standing(outcome.recommended)
    assert one is not None
    kind = "measured" if outcome.energy_measured else "estimated"
    said = f"One fit takes {duration(one.seconds)} and {energy(one.watt_hours)} here ({kind})."
    if one.seconds_per_prediction is not None:
        said += f" A million answers take {duration(one.seconds_per_prediction * 1e6)} on this machine"
        said += (
            f" and cost {money(one.cost_per_million)}."
            if one.cost_per_million is not None
            else "; --price-per-hour says what that costs."
        )
    return [said]


def money(amount: float) -> str:
    """A price in whatever currency it was given in."""
    return number(amount) if amount >= 0.01 else "under 0.01"


def _scored(outcome: Outcome, one: Standing) -> str:
    return figure(one.interval.value, one.interval.low, one.interval.high, unit(outcome))


def _goal(outcome: Outcome) -> str:
    return f"{number(outcome.goal, unit(outcome))} ({outcome.field.metric.name})"


def _rows(one: Mapping[str, Any]) -> str:
    high = count(one["high"]) if one["high"] is not None else "more than can be told"
    return f"{count(one['rows'])} labels ({count(one['low'])} to {high})"


def _apart(outcome: Outcome, one: Standing) -> str:
    assert one.gain is not None
    return _points({"value": one.gain.points, "low": one.gain.low, "high": one.gain.high}, unit(outcome), sign=False)


def _points(gain: Mapping[str, Any], shown: str, *, sign: bool = True) -> str:
    scale, name = (100, " points") if shown == "%" else (1, "")
    value, low, high = (
        scale * float(gain[key] if gain[key] is not None else "nan") for key in ("value", "low", "high")
    )
    form = "+.1f" if sign and scale == 100 else ".1f" if scale == 100 else "+.3g" if sign else ".3g"
    return f"{value:{form}}{name} ({low:{form}} to {high:{form}})".replace("-", "\u2212")


def energy(watt_hours: float) -> str:
    """An amount of energy for a person."""
    if watt_hours >= 1000:
        return f"{watt_hours / 1000:.2f} kWh"
    return f"{watt_hours:.2g} Wh" if watt_hours >= 0.01 else "under 0.01 Wh"
