"""Sections as a real run gives them, one of every template, and the same at their edges."""

from __future__ import annotations

import random

from metier.tasks.contract import Section

INTENTS = [
    "card_payment_wrong_exchange_rate",
    "lost_or_stolen_card",
    "transfer_not_received_by_recipient",
    "top_up_failed",
    "verify_source_of_funds",
    "pending_cash_withdrawal",
    "why_verify_identity",
    "beneficiary_not_allowed",
    "card_about_to_expire",
    "exchange_via_app",
    "balance_not_updated_after_bank_transfer",
    "country_support",
]


def _classes(count: int) -> list[dict[str, object]]:
    rng = random.Random(3)
    rows = []
    for place in range(count):
        f1 = min(1.0, 0.62 + 0.4 * rng.random() ** 0.5)
        half = 0.02 + 0.09 * rng.random()
        label = INTENTS[place % len(INTENTS)] + (f"_{place // len(INTENTS)}" if place >= len(INTENTS) else "")
        rows.append(
            {
                "label": label,
                "rows": 10 + rng.randrange(40),
                "precision": min(1.0, f1 + 0.02),
                "recall": max(0.0, f1 - 0.02),
                "f1": f1,
                "low": max(0.0, f1 - half),
                "high": min(1.0, f1 + half),
            }
        )
    return rows


def _matrix(count: int) -> list[list[int]]:
    rng = random.Random(4)
    return [
        [rng.randrange(22, 40) if i == j else max(0, rng.randrange(-14, 8) - abs(i - j)) for j in range(count)]
        for i in range(count)
    ]


def _points(count: int) -> list[list[float]]:
    rng = random.Random(5)
    truths = [rng.uniform(0, 100) for _ in range(count)]
    return [[round(truth, 2), round(truth * 0.9 + 5 + rng.gauss(0, 7), 2)] for truth in truths]


def ladder() -> dict[str, object]:
    """Banking77's ladder, as measured once."""
    rungs = [
        ("majority", "Commonest answer", 0.013, 0.009, 0.017, 0.0, True, "The floor: anything useful must beat it."),
        (
            "linear",
            "Word counts + linear",
            0.874,
            0.861,
            0.887,
            4.1,
            True,
            "+86.1 points (84.8 to 87.4) over the step before.",
        ),
        (
            "generic",
            "Generic model as it is",
            0.701,
            0.683,
            0.719,
            6.3,
            True,
            "What the base knows from the label names alone.",
        ),
        ("frozen", "Frozen base + head", 0.931, 0.921, 0.941, 21.0, True, "+5.7 points (4.6 to 6.8) over word counts."),
        (
            "adapter",
            "Adapter (LoRA)",
            0.945,
            0.936,
            0.954,
            412.0,
            True,
            "+1.4 points (0.6 to 2.2) over the frozen base: it pays.",
        ),
        (
            "full",
            "Full tuning",
            None,
            None,
            None,
            None,
            False,
            "Would take about 22 min; 3 min of the time limit were left.",
        ),
    ]
    names = ("name", "title", "value", "low", "high", "seconds", "taken", "reason")
    return {
        "metric": "Right answers",
        "greater_is_better": True,
        "chosen": "adapter",
        "rungs": [dict(zip(names, rung, strict=True)) for rung in rungs],
    }


def _bins() -> list[dict[str, object]]:
    rows = (0, 4, 12, 19, 31, 44, 63, 118, 402, 2387)
    right = (None, 0.25, 0.333, 0.368, 0.484, 0.591, 0.635, 0.771, 0.872, 0.988)
    return [
        {"confidence": None if not count else 0.05 + place / 10, "accuracy": accuracy, "rows": count}
        for place, (count, accuracy) in enumerate(zip(rows, right, strict=True))
    ]


def _answering() -> dict[str, object]:
    points = [
        {
            "answered": 1 - place / 20,
            "precision": 0.945 + 0.055 * (1 - (1 - place / 20) ** 2) ** 0.6,
            "threshold": place / 20,
        }
        for place in range(20)
    ]
    return {"threshold": 0.2, "points": points}


def _card(title: str, term: str, value: float, half: float, baseline: float, unit: str = "%") -> dict[str, object]:
    return {
        "title": title,
        "term": term,
        "value": value,
        "low": value - half,
        "high": value + half,
        "baseline": baseline,
        "baseline_title": "Generic model",
        "unit": unit,
    }


def page_sections() -> list[Section]:
    """One section of every template with the data of a plausible run."""
    metrics = [
        ("Right answers", "accuracy", 0.945, 0.009, 0.701, "%"),
        ("Average over labels", "macro F1", 0.944, 0.009, 0.689, "%"),
        ("Agreement beyond chance", "Matthews correlation", 0.944, 0.009, 0.699, ""),
        ("Surprise at the truth", "log loss", 0.214, 0.031, 1.402, ""),
        ("Confidence off by", "expected calibration error", 0.011, 0.004, 0.187, "%"),
    ]
    errors = [
        (
            418,
            "I was charged twice for the same coffee, please sort it out",
            "transaction_charged_twice",
            "extra_charge_on_statement",
            0.997,
        ),
        (
            93,
            "Why has my withdrawal not gone through?? 😡 it's been two days",
            "pending_cash_withdrawal",
            "declined_cash_withdrawal",
            0.991,
        ),
        (1127, "لماذا لم يصل التحويل إلى المستلم؟", "transfer_not_received_by_recipient", "pending_transfer", 0.983),
        (771, "card " * 300, "card_about_to_expire", "card_arrival", 0.962),
    ]
    sentences = [
        "The generic model alone gets 70.1% right. Tuning adds 24.4 points (22.7 to 26.1).",
        "If it may hand the unsure ones to a person, it answers 80.0% of tickets and gets 97.5% of those right.",
        "It is weakest on “top up failed” and “pending cash withdrawal”, which it takes for each other.",
    ]
    return [
        Section(
            "verdict",
            "The verdict",
            {"headline": "Tuning pays: the expert gets 94.5 of 100 tickets right.", "sentences": sentences},
        ),
        Section(
            "scorecard",
            "Scorecard",
            {
                "cards": [
                    _card("Right answers", "accuracy", 0.945, 0.009, 0.701),
                    _card("Average over labels", "macro F1", 0.944, 0.009, 0.689),
                    _card("Surprise at the truth", "log loss", 0.214, 0.031, 1.402, ""),
                ]
            },
        ),
        Section(
            "ladder",
            "What each step of tuning was worth",
            ladder(),
            "The adapter gains 1.4 points over the frozen base; it was worth its 7 minutes.",
        ),
        Section(
            "learning_curve",
            "Would more examples help?",
            {
                "metric": "Right answers",
                "points": [
                    {"rows": rows, "value": value, "low": value - half, "high": value + half}
                    for rows, value, half in (
                        (120, 0.712, 0.02),
                        (240, 0.801, 0.017),
                        (480, 0.868, 0.014),
                        (963, 0.913, 0.012),
                        (8002, 0.945, 0.009),
                    )
                ],
            },
            "Yes, a little: doubling the data last brought 1.1 points.",
        ),
        Section(
            "answering",
            "When it may pass",
            _answering(),
            "Handing one ticket in five to a person makes the rest 97.5% right.",
        ),
        Section(
            "reliability",
            "Can its confidence be believed?",
            {"ece": 0.011, "ece_before": 0.083, "bins": _bins()},
            "Yes: when it says 90%, it is right about 90 times in 100.",
        ),
        Section(
            "confusion",
            "What it mixes up",
            {"labels": list(INTENTS), "matrix": _matrix(12)},
            "Most confusions lie between pairs that people mix up as well.",
        ),
        Section("classes", "Strong and weak labels", {"rows": _classes(77)}, "57 of 77 labels score above 90%."),
        Section(
            "errors",
            "Where it is surely wrong",
            {
                "rows": [
                    dict(zip(("row", "text", "truth", "prediction", "confidence"), row, strict=True)) for row in errors
                ]
            },
            "Look here first: some of these may be wrong labels.",
        ),
        Section("scatter", "Prediction against truth", {"points": _points(3000), "unit": "days"}),
        Section(
            "intervals",
            "Are its ranges honest?",
            {"coverage": 0.912, "wanted": 0.9, "half_width": 11.4, "unit": "days"},
        ),
        Section(
            "histogram",
            "How long the texts are",
            {
                "bins": [
                    {"low": 8 * i, "high": 8 * i + 8, "rows": rows}
                    for i, rows in enumerate((40, 310, 420, 236, 110, 51, 22, 9, 4, 0, 1, 1))
                ],
                "unit": "tokens",
                "marks": [{"at": 64, "label": "limit: 6 rows are cut here"}],
            },
        ),
        Section("metrics", "All figures", {"rows": [dict(_card(*row), generic=row[4]) for row in metrics]}),
        Section(
            "problems",
            "What was found in the data",
            {
                "rows": [
                    {
                        "severity": "warning",
                        "detail": "27 texts appear more than once with the same label; all copies were kept on one side of the split.",
                        "rows": 27,
                        "fix": "Remove the copies if they are mistakes.",
                    },
                    {"severity": "note", "detail": "3 rows without a text were set aside.", "rows": 3, "fix": ""},
                    {
                        "severity": "error",
                        "detail": "The label “other” has one example and can't be learned.",
                        "rows": 1,
                        "fix": "Add examples or merge it into another label.",
                    },
                ]
            },
        ),
        Section(
            "facts",
            "What this was made from",
            {
                "rows": [
                    ["Data", "/data/tickets/2026/export_of_all_tickets_with_a_long_name.csv"],
                    ["Rows", 1204],
                    ["Base", "all-MiniLM-L6-v2"],
                    ["Licence", "Apache-2.0"],
                    ["Peak memory", None],
                ]
            },
        ),
        Section(
            "record",
            "The record",
            {
                "command": "metier tune examples/support/tickets.csv --target intent --time-limit 10m --seed 0",
                "files": [
                    {
                        "file": f"rungs/{name}/metrics.json",
                        "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    }
                    for name in ("linear", "frozen", "adapter")
                ],
                "root": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            },
        ),
    ]


EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> &amp; \x00\ud800 ]]> {{ 7*7 }}"


def edge_sections() -> list[Section]:
    """Every template at its edges: empty, single, null, long, hostile, right-to-left."""
    rung = {"name": "majority", "value": 0.5, "low": None, "high": None, "seconds": 0, "taken": True, "reason": EVIL}
    card = {
        "title": EVIL,
        "term": "",
        "value": None,
        "low": None,
        "high": None,
        "baseline": None,
        "baseline_title": "",
        "unit": "%",
    }
    long = "Überweisungsbestätigungsbenachrichtigungseinstellung" * 3
    empty = {"rows": []}
    return [
        Section("verdict", EVIL, {"headline": EVIL, "sentences": [EVIL, "כל התשובות נכונות 😀👩‍👩‍👧"]}, EVIL),
        Section("scorecard", "Null card", {"cards": [card]}),
        Section("scorecard", "No card", {"cards": []}),
        Section(
            "ladder",
            "One rung",
            {"metric": "RMSE", "greater_is_better": False, "chosen": "majority", "rungs": [{**rung, "value": 12.5}]},
        ),
        Section(
            "ladder",
            "Untried only",
            {"metric": EVIL, "greater_is_better": True, "chosen": None, "rungs": [{**rung, "value": None}]},
        ),
        Section(
            "ladder",
            "Equal rungs",
            {
                "metric": "accuracy",
                "greater_is_better": True,
                "chosen": EVIL,
                "rungs": [
                    {**rung, "name": name, "value": 1.0, "low": 1.0, "high": 1.0, "seconds": 3.0}
                    for name in (EVIL, long, "c", "d")
                ],
            },
        ),
        Section("confusion", "Two labels", {"labels": ["spam", "ham"], "matrix": [[12_045, 0], [31, 1_948]]}),
        Section(
            "confusion",
            "Hostile labels",
            {"labels": [EVIL, long, "שלום", "😀" * 40], "matrix": [[0] * 4 for _ in range(4)]},
        ),
        Section("confusion", "No label", {"labels": [], "matrix": []}),
        Section("confusion", "77 labels", {"labels": [f"label {i}" for i in range(77)], "matrix": _matrix(77)}),
        Section(
            "classes",
            "Two labels",
            {"rows": [{**row, "label": label} for row, label in zip(_classes(2), (EVIL, long), strict=True)]},
        ),
        Section(
            "classes",
            "A label never seen",
            {
                "rows": [
                    {"label": "x", "rows": 0, "precision": None, "recall": None, "f1": None, "low": None, "high": None}
                ]
            },
        ),
        Section("classes", "No label", empty),
        Section(
            "reliability",
            "One bin",
            {"ece": None, "ece_before": None, "bins": [{"confidence": 1.0, "accuracy": 1.0, "rows": 3}]},
        ),
        Section("reliability", "No bin", {"ece": 0.0, "ece_before": 0.0, "bins": []}),
        Section(
            "answering",
            "One point",
            {"threshold": 0.5, "points": [{"answered": 1.0, "precision": 1.0, "threshold": 0.0}]},
        ),
        Section(
            "answering",
            "No threshold",
            {
                "threshold": None,
                "points": [
                    {"answered": a, "precision": p, "threshold": None} for a, p in ((1.0, 0.4), (0.5, 0.6), (0.0, None))
                ],
            },
        ),
        Section("answering", "No point", {"threshold": None, "points": []}),
        Section(
            "learning_curve",
            "One size",
            {
                "metric": "MAE",
                "greater_is_better": False,
                "points": [{"rows": 100, "value": 3.25, "low": 3.0, "high": 3.5}],
            },
        ),
        Section("learning_curve", "No size", {"metric": "MAE", "points": []}),
        Section(
            "errors",
            "Hostile texts",
            {
                "rows": [
                    {"row": 1, "text": EVIL, "truth": EVIL, "prediction": long, "confidence": None},
                    {
                        "row": 2,
                        "text": "\u202eevil " + "x" * 1_000_000,
                        "truth": "",
                        "prediction": 3,
                        "confidence": 1.0,
                    },
                ]
            },
        ),
        Section("errors", "No error", empty),
        Section("scatter", "One point", {"points": [[1.0, 1.0]], "unit": EVIL}),
        Section("scatter", "Nulls", {"points": [[None, 1.0]], "unit": ""}),
        Section("intervals", "Nulls", {"coverage": None, "wanted": 0.9, "half_width": None}),
        Section("histogram", "Nothing", {"bins": [], "unit": "tokens"}),
        Section("histogram", "One bar", {"bins": [{"low": 3, "high": 4, "rows": 9}], "unit": EVIL}),
        Section(
            "metrics",
            "Nulls",
            {
                "rows": [
                    {"title": EVIL, "term": EVIL, "value": None, "low": None, "high": None, "generic": None},
                    {
                        "title": "Worse than guessing",
                        "term": "R²",
                        "value": -0.4,
                        "low": -0.6,
                        "high": -0.2,
                        "generic": 0.0,
                    },
                ]
            },
        ),
        Section("metrics", "No figure", empty),
        Section("problems", "No problem", empty),
        Section("problems", "Hostile problem", {"rows": [{"severity": EVIL, "detail": EVIL, "rows": 0, "fix": EVIL}]}),
        Section("facts", "Hostile facts", {"rows": [[EVIL, EVIL], [long, None]]}),
        Section("facts", "No facts", empty),
        Section("record", "Nothing recorded", {"command": EVIL, "files": [], "root": ""}),
    ]
