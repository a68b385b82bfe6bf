"""The figures wanted of the data room: what each result says, and when it is met. `report.py` shows them."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.report_wanted import Figures, Wanted


def _labels(kind: str, least: dict[str, float], estimate: bool) -> Wanted:
    wanted = ", ".join(f"{_SHORT[name]} >= {value:g}" for name, value in least.items())

    def met(f: Figures) -> bool:
        near = abs(f["estimated"] - f["injected"]) <= 0.015
        return all(f[name] >= value for name, value in least.items()) and (near or not estimate)

    return Wanted(
        f"Banking77 with 10% {kind} label noise: {wanted}; rate within 1.5 points",
        "label_errors", f"banking77/{kind}/0.1",
        lambda f: ", ".join(f"{short} {f[name]:.4f}" for name, short in _SHORT.items())
        + f"; estimated {100 * f['estimated']:.1f}%; {f['audit_seconds']:.0f} s an audit; {len(f['trials'])} draws",
        met,
    )  # fmt: skip


_SHORT = {"auroc": "AUROC", "ap": "AP", "precision_at_k": "P@k"}


def _copies(name: str) -> Wanted:
    return Wanted(
        f"near-duplicates at 5% character edits, {name}: recall >= .98, precision >= .95, >= 2,500 documents/s/core",
        "near_duplicates", f"{name}/ours",
        lambda f: f"recall {f['recall']:.3f}, precision {f['precision']:.3f}, {f['documents_per_second']:,.0f}/s",
        lambda f: f["recall"] >= 0.98 and f["precision"] >= 0.95 and f["documents_per_second"] >= 2500,
    )  # fmt: skip


def _off_topic(host: str, strays: str, met: Callable[[Figures], bool | None]) -> Wanted:
    return Wanted(
        f"off-topic: 5% {strays} rows in {host}" + (": AUROC >= .97" if strays == "ag_news" else " (recorded)"),
        "off_topic", f"{host}/{strays}", lambda f: f"AUROC {f['auroc']:.4f}", met,
    )  # fmt: skip


def _personal(part: str, what: str) -> Wanted:
    return Wanted(
        f"personal data, {what}: structured types recall >= .99, precision >= .98",
        "personal_data", part,
        lambda f: f"recall {f['structured']['recall']['value']:.4f}, precision "
        f"{f['structured']['precision']['value']:.4f}; names apart: {f['names']['recall']['value']:.3f} and "
        f"{f['names']['precision']['value']:.3f}",
        lambda f: f["structured"]["recall"]["value"] >= 0.99 and f["structured"]["precision"]["value"] >= 0.98,
    )  # fmt: skip


def _ranking(name: str) -> Wanted:
    return Wanted(
        f"base ranking, 7 candidates, {name}: best one first, weighted tau above the size-ordered list's",
        "base_ranking", f"base_ranking/{name}",
        lambda f: f"first {f['ranking'][0]}, best on test {f['best']} ({'right' if f['right'] else 'wrong'} within the "
        f"interval); tau {f['tau']:.2f} against {f['tau_by_size']:.2f}",
        lambda f: f["right"] and f["tau"] > f["tau_by_size"],
    )  # fmt: skip


DATA_ROOM = (
    _labels("symmetric", {"auroc": 0.997, "ap": 0.985, "precision_at_k": 0.95}, True),
    _labels("confusable", {"ap": 0.92, "precision_at_k": 0.85}, True),
    *map(_copies, ("generated", "banking77", "ag_news", "sms_spam", "financial_phrasebank")),
    Wanted("near-duplicates of 1,000,000 documents of 20 words in <= 3 GiB", "near_duplicates", "million/ours",
           lambda f: f"{f['peak_gib']:.2f} GiB, recall {f['recall']:.3f}, precision {f['precision']:.3f}",
           lambda f: f["peak_gib"] <= 3),
    _personal("held_out", "sentences the rules were not made on"),
    _personal("development", "sentences the rules were made on"),
    _off_topic("banking77", "ag_news", lambda f: f["auroc"] >= 0.97),
    *(_off_topic(*pair, lambda _: None) for pair in (("ag_news", "banking77"), ("sms_spam", "banking77"))),
    *map(_ranking, ("banking77", "tweeteval_emotion_joined", "financial_phrasebank", "sms_spam", "ag_news")),
    Wanted("`compare`'s forecasts hold what was measured in >= 90% of hindcasts (own figure)", "forecast",
           "forecast/coverage", lambda f: f"{f['inside']:.0%} of {f['forecasts']}, usual width {f['median_width']:.3f}",
           lambda f: f["inside"] >= 0.9),
    Wanted("planted faults in the bundled tickets (recorded)", "planted", "planted",
           lambda f: "; ".join(f"{kind} {one['found']}/{one['planted']}" for kind, one in f["kinds"].items()),
           lambda _: None),
    Wanted("whole `curate` of Banking77 after the first embedding <= 45 s", "curate_time", "banking77",
           lambda f: f"{f['seconds']:.0f} s, {f['peak_mib']:.0f} MiB", lambda f: f["seconds"] <= 45),
    Wanted("whole `curate` of 1,000,000 texts <= 4 GiB", "curate_time", "million",
           lambda f: f"{f['peak_mib'] / 1024:.2f} GiB", lambda f: f["peak_mib"] < 4096),
)  # fmt: skip
