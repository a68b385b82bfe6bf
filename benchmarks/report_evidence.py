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
    # Chance can only raise the ECE: its interval is on the safe side by nature, and must not be too narrow.
    most = 1.0 if metric == "ece" else 0.97
    return Wanted(
        f"95% intervals of {metric} on {rows:,} rows hold the truth in {'93% or more' if most == 1 else '93 to 97%'}",
        "statistics", f"coverage/{metric}/{rows}",
        lambda f: f"{100 * f['value']:.1f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f}) of {f['trials']:,} trials",
        lambda f: 0.93 <= f["value"] <= most,
    )  # fmt: skip


def _equal(metric: str, rows: int) -> Wanted:
    return Wanted(
        f"two equal experts compared by {metric} on {rows:,} rows are called different in <= 5%",
        "statistics", f"equal/{metric}/{rows}",
        lambda f: f"{100 * f['value']:.1f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f}) of {f['trials']:,} trials",
        lambda f: f["value"] <= 0.05,
    )  # fmt: skip


EVIDENCE = (
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
    _whole("frozen"),
    _whole("adapter"),
)
