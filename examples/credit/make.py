"""Draw the loan table: `python examples/credit/make.py [FOLDER]`; the same seed gives the same bytes.

Whether a loan defaults hangs on thresholds and on columns taken together (a long term hurts only where debt is high),
which trees find and a linear model does not. No row is about a real person.
"""

from __future__ import annotations

import csv
import io
import math
import sys
from datetime import date, timedelta
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
SEED = 20260902
ROWS = 800
COLUMNS = (
    "loan_id",
    "applied_on",
    "amount",
    "term_months",
    "annual_income",
    "debt_ratio",
    "years_employed",
    "age",
    "housing",
    "region",
    "late_payments",
    "purpose",
    "default",
)
MISSING = {"annual_income": 0.06, "years_employed": 0.09, "debt_ratio": 0.03, "housing": 0.02, "purpose": 0.02}
# What the money is for, in the applicant's words, and how much likelier (log-odds) such a loan is to default.
PURPOSES = (
    (-0.9, "new roof before the winter"),
    (-0.8, "heat pump and insulation for our house"),
    (-0.8, "kitchen renovation, quotes from two joiners attached"),
    (-0.7, "replace the old windows"),
    (-0.5, "used family car, dealer invoice available"),
    (-0.4, "electric bicycle for commuting"),
    (-0.4, "dental treatment not covered by insurance"),
    (-0.3, "training as a master electrician"),
    (-0.2, "wedding in the summer"),
    (-0.1, "furniture for the first flat together"),
    (0.0, "car repair after an accident"),
    (0.0, "moving costs and deposit for a flat"),
    (0.1, "laptop and camera for freelance work"),
    (0.2, "holiday with the whole family"),
    (0.3, "household, various"),
    (0.6, "start a food truck with a friend"),
    (0.7, "stock for my online shop, first season"),
    (0.9, "pay off three credit cards"),
    (1.0, "bring several instalment plans together in one"),
    (1.1, "cover the overdraft and open bills"),
    (1.2, "invest in digital coins while they are low"),
    (1.3, "urgent, need cash this week"),
)
TAILS = (
    "",
    "",
    "",
    ", as discussed on the phone",
    ", please decide soon",
    ", remainder from savings",
    " (see attachment)",
)


def log_odds(row: dict[str, float], risk: float, housing: str) -> float:
    """How the chance of default arises; deliberately not a sum of straight lines."""
    burden = row["amount"] / row["term_months"] * 12 / row["annual_income"]
    value = -3.1 + 1.1 * risk
    value += 2.6 if row["debt_ratio"] > 0.42 and row["term_months"] >= 48 else 0.0
    value += 2.0 if burden > 0.22 else -0.3
    value += 1.6 if row["late_payments"] >= 2 else 0.0
    value += 1.9 if row["years_employed"] < 1.5 and housing != "family" else 0.0
    value += 1.5 if row["age"] < 25 and row["amount"] > 9000 else 0.0
    value += 1.3 if 0.15 < row["debt_ratio"] < 0.22 and row["late_payments"] == 1 else 0.0
    return value - (1.4 if housing == "own" and row["debt_ratio"] < 0.3 else 0.0)


def draw(rng: Random, number: int) -> dict[str, object]:
    """One loan."""
    risk, purpose = rng.choice(PURPOSES)
    housing = rng.choices(("rent", "own", "mortgage", "family"), (45, 18, 25, 12))[0]
    age = min(79, 19 + int(rng.gammavariate(2.4, 8.5)))
    row = {
        "amount": float(round(min(45000, math.exp(rng.gauss(9.0, 0.65))), -2)),
        "term_months": float(rng.choice((12, 24, 36, 48, 60, 72, 84))),
        "annual_income": float(round(max(9000, math.exp(rng.gauss(10.35, 0.42))), -2)),
        "debt_ratio": round(min(0.95, rng.betavariate(2.2, 4.2)), 3),
        "years_employed": round(max(0.0, min(age - 18.0, rng.expovariate(1 / 6.0))), 1),
        "age": float(age),
        "late_payments": float(rng.choices((0, 1, 2, 3, 5), (60, 20, 10, 6, 4))[0]),
    }
    chance = 1 / (1 + math.exp(-log_odds(row, risk, housing)))
    loan: dict[str, object] = {
        "loan_id": f"L-{70100 + number * 3}",
        "applied_on": (date(2024, 1, 2) + timedelta(days=rng.randrange(700))).isoformat(),
        "housing": housing,
        "region": rng.choices(("north", "south", "east", "west", "capital"), (20, 25, 15, 18, 22))[0],
        "purpose": purpose + rng.choice(TAILS),
        "default": "yes" if rng.random() < chance else "no",
    }
    loan |= {name: int(value) if value.is_integer() and name != "debt_ratio" else value for name, value in row.items()}
    for name, share in MISSING.items():
        if rng.random() < share:
            loan[name] = ""
    return loan


def make(seed: int = SEED) -> dict[str, str]:
    """All files by name."""
    rng = Random(seed)
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(draw(rng, number) for number in range(ROWS))
    return {"loans.csv": out.getvalue()}


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    for name, text in make().items():
        (folder / name).write_bytes(text.encode("utf-8"))
        print(f"{folder / name}: {text.count(chr(10)):,} lines")
