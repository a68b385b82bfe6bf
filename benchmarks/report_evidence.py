"""The figures wanted of evaluation and explanation: what each result says, and when it is met."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.report_wanted import Figures, Wanted


def _coverage(f: Figures) -> str:
    parts = [f"{name} {method['coverage']:.3f}" for name, method in f["methods"].items()]
    furthest = max((m["furthest"] for m in f["methods"].values() if m["furthest"] is not None), default=None)
    apart = (
        "" if furthest is None else f"; furthest label or group that calibrates itself: {100 * furthest:.1f} points off"
    )
    return f"ECE {f['ece']['value']:.4f} on {f['rows']:,} rows; coverage at {f['level']:.0%}: {', '.join(parts)}{apart}"


def _covered(f: Figures) -> bool:
    methods = f["methods"].values()
    near = all(abs(m["coverage"] - f["level"]) <= 0.01 for m in methods)
    return near and all(m["furthest"] is None or m["furthest"] <= 0.01 for m in methods)


def _confidence(name: str, least: float | None) -> Wanted:
    ece = "" if least is None else f"ECE <= {least:g}; "
    return Wanted(
        f"{name}: {ece}conformal coverage within 1 point of nominal, overall and for parts that calibrate themselves",
        "confidence", name, _coverage,
        lambda f: _covered(f) and (least is None or f["ece"]["value"] <= least),
    )  # fmt: skip


def _whole(rung: str) -> Wanted:
    return Wanted(
        f"whole evaluation of a Banking77 expert (rung {rung}), all questions, <= 4 minutes on 2 cores",
        "evaluation_time", f"banking77/{rung}",
        lambda f: f"{f['wall_seconds']:.0f} s ({f['cpu_seconds']:.0f} processor seconds), {f['peak_mib']} MiB",
        lambda f: f["wall_seconds"] <= 240,
    )  # fmt: skip


def _checklist(f: Figures) -> str:
    rates = ", ".join(f"{kind} {100 * rate:.0f}%" for kind, rate in f["failure_rates"].items())
    return (
        f"{f['tests']} tests, {f['cases']:,} cases; mean failure rates: {rates} (accuracy {f['accuracy']['value']:.3f})"
    )


def _membership(way: str, words: str, met: Callable[[float], bool]) -> Wanted:
    return Wanted(
        f"membership AUC of {words}",
        "membership", f"tweeteval_emotion_train/{way}",
        lambda f: f"{f['auc']['value']:.3f} ({f['auc']['low']:.3f} to {f['auc']['high']:.3f}), "
        f"{f['rows']['members']} rows a side; the untrained base {f['untrained_auc']['value']:.3f}",
        lambda f: met(f["membership_auc"]),
    )  # fmt: skip


def _held(metric: str, rows: int) -> Wanted:
    return Wanted(
        f"95% intervals of {metric} on {rows:,} rows hold the truth in 93 to 97%",
        "statistics", f"coverage/{metric}/{rows}",
        lambda f: f"{100 * f['value']:.1f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f}) of {f['trials']:,} trials"
        + ("; chance can only raise the ECE, so its interval is on the safe side" if metric == "ece" else ""),
        lambda f: 0.93 <= f["value"] <= 0.97,
    )  # fmt: skip


def _equal(metric: str, rows: int) -> Wanted:
    return Wanted(
        f"two equal experts compared by {metric} on {rows:,} rows are called different in <= 5%",
        "statistics", f"equal/{metric}/{rows}",
        lambda f: f"{100 * f['value']:.1f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f}) of {f['trials']:,} trials",
        lambda f: f["value"] <= 0.05,
    )  # fmt: skip


def _planted(rung: str, planted: bool) -> Wanted:
    data = "tuned on data with a planted bias find it, power >= .95" if planted else "of its fair twin find none, <= 5%"
    return Wanted(
        f"identity swaps on a toxicity expert (rung {rung}) {data}",
        "bias", f"swaps/{'planted' if planted else 'fair'}/{rung}",
        lambda f: f"{100 * f['rate']:.0f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f}) of {f['seeds']} seeds",
        lambda f: f["rate"] >= 0.95 if planted else f["rate"] <= 0.05,
    )  # fmt: skip


def _madlibs(f: Figures) -> str:
    found = {name: rates["fpr"] for name, rates in f["rates"].items()}
    worst, best = max(found, key=lambda name: found[name]), min(found, key=lambda name: found[name])
    called = ", ".join(f["called"]) or "none"
    return (
        f"{len(found)} identities, {f['rows']:,} rows; false alarms {100 * found[best]:.1f}% ({best}) to "
        f"{100 * found[worst]:.1f}% ({worst}); gaps beyond chance: {called}"
    )


def _faithful(name: str) -> Wanted:
    def told(f: Figures) -> str:
        ahead = ", ".join(
            f"{f[other]['points']:+.3f} ({f[other]['low']:+.3f} to {f[other]['high']:+.3f}) over {words}"
            for other, words in (
                ("over_random", "random order"),
                ("over_lime_equal", f"LIME with as many calls ({f['calls']['lime_equal']:.0f})"),
                ("over_lime", f"LIME with {f['calls']['lime']:.0f}"),
            )
        )
        return f"{f['method']} {f['default']:.3f} on {f['rows']} rows; {ahead}"

    return Wanted(
        f"{name}: the default explanation beats random order and LIME at equal calls on normalised comprehensiveness",
        "faithfulness", name, told, lambda f: f["over_random"]["low"] > 0 and f["over_lime_equal"]["low"] > 0,
    )  # fmt: skip


def _influence(name: str, rung: str) -> Wanted:
    return Wanted(
        f"{name}, {rung}: influence ranks 5% planted rows first for the wrong answers, AUROC >= .95",
        "influence", f"{name}/{rung}",
        lambda f: f"{f['auroc']:.3f} (worst answer {f['auroc_worst']:.3f}; within the wrong label "
        f"{f['auroc_within_label']:.3f}; neighbours alone {f['auroc_neighbours']:.3f})",
        lambda f: f["auroc"] >= 0.95,
    )  # fmt: skip


def _quick(rung: str) -> Wanted:
    return Wanted(
        f"Banking77, {rung}: one explanation <= 150 ms, in a batch >= 30 a second",
        "explain_speed", f"banking77/{rung}",
        lambda f: f"{f['single_ms']:.0f} ms (95%: {f['single_p95_ms']:.0f}), {f['batch_per_second']:.0f} a second",
        lambda f: f["single_ms"] <= 150 and f["batch_per_second"] >= 30,
    )  # fmt: skip


EVIDENCE = (
    *(_faithful(name) for name in ("banking77", "ag_news", "financial_phrasebank", "sms_spam")),
    *(
        _influence(name, rung)
        for name in ("banking77", "financial_phrasebank", "ag_news")
        for rung in ("frozen", "adapter")
    ),
    *(_quick(rung) for rung in ("frozen", "adapter")),
    *(
        _held(metric, rows)
        for metric in ("accuracy", "macro_f1", "mcc", "auroc", "log_loss", "ece", "mae", "r2")
        for rows in (200, 1000)
    ),
    *(_equal(metric, rows) for metric in ("accuracy", "macro_f1", "log_loss") for rows in (200, 1000)),
    _membership("overfitted", "a deliberately overfitted expert >= .75", lambda auc: auc >= 0.75),
    _membership("one-epoch", "a one-epoch LoRA <= .56", lambda auc: auc <= 0.56),
    *(_confidence(name, 0.03) for name in ("banking77", "tweeteval_emotion_train", "sms_spam")),
    *(_confidence(name, None) for name in ("german_credit", "diabetes_130")),
    Wanted(
        "checklist_sentiment: all 38 tests on an expert tuned on sentiment, table of failure rates",
        "checklist",
        "checklist/frozen",
        _checklist,
        lambda f: f["tests"] == 38 and len(f["table"]) == 38,
    ),
    *(_planted(rung, planted) for rung in ("linear", "frozen") for planted in (True, False)),
    Wanted(
        "bias_madlibs: error rates by identity of an expert that was tuned on no identity",
        "bias",
        "madlibs/frozen",
        _madlibs,
        lambda f: len(f["rates"]) == 50,
    ),
    _whole("frozen"),
    _whole("adapter"),
)
