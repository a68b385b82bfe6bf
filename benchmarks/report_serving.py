"""The figures wanted of serving: what each result says, and when it is met."""

from __future__ import annotations

from benchmarks.report_wanted import Figures, Wanted

_BUSY = 0.75  # of the offline speed
_PEERS = 3.0


def _most(f: Figures) -> tuple[str, Figures]:
    """The largest number of experts measured, and what was."""
    count = max(int(name.removeprefix("experts_")) for name in f["ours"] if name.startswith("experts_"))
    return f"{count} experts", f["ours"][f"experts_{count}"]


def _speeds(f: Figures) -> dict[str, float]:
    """Of each number of experts, what its traffic reaches of the offline speed."""
    offline = f["ours"]["offline"]["per_second"]
    lines = {name: line for name, line in f["ours"].items() if name.startswith("experts_")}
    return {name.removeprefix("experts_"): line["batcher"]["per_second"] / offline for name, line in lines.items()}


def _times(f: Figures) -> dict[str, float]:
    """How many times as quick as each peer, at the most experts the peer was given."""
    found = {}
    if "pipeline" in f:
        found["transformers pipeline"] = _most(f)[1]["batcher"]["per_second"] / f["pipeline"]["per_second"]
    for name, line in f.get("peft", {}).items():
        if name in f["ours"]:
            found["PEFT mixed batch"] = f["ours"][name]["batcher"]["per_second"] / line["per_second"]
    return found


SERVING = (
    Wanted(
        f"engine: mixed traffic at saturation >= {_BUSY:.0%} of the offline batch speed, however many experts",
        "serve_engine", "engine",
        lambda f: ", ".join(f"{count}: {share:.0%}" for count, share in _speeds(f).items()),
        lambda f: min(_speeds(f).values()) >= _BUSY,
    ),
    Wanted(
        "engine: memory grows by <= 3 MiB an expert",
        "serve_engine", "engine",
        lambda f: f"{f['ours']['mib_an_expert']:.2f} MiB, up to {_most(f)[0]}",
        lambda f: f["ours"]["mib_an_expert"] <= 3,
    ),
    Wanted(
        "engine: p95 at half load with the most experts <= 1.5 times that with one",
        "serve_engine", "engine",
        lambda f: f"{f['ours']['p95_ratio']:.2f} times; {_most(f)[1]['half_load_p95_ms']:.0f} ms with {_most(f)[0]}",
        lambda f: f["ours"]["p95_ratio"] <= 1.5,
    ),
    Wanted(
        f"engine: >= {_PEERS:g} times a transformers pipeline and PEFT's mixed batches",
        "serve_engine", "engine",
        lambda f: ", ".join(f"{times:.1f} times {name}" for name, times in _times(f).items()),
        lambda f: bool(_times(f)) and min(_times(f).values()) >= _PEERS,
    ),
    Wanted(
        f"over HTTP: saturation >= {_BUSY:.0%} of the offline batch speed",
        "serve", "serve_http",
        lambda f: f"{f['share_of_offline']:.0%}: {f['one']['saturation']['per_second']:.0f} of "
        f"{f['offline_per_second']:.0f} texts/s",
        lambda f: f["share_of_offline"] >= _BUSY,
    ),
    Wanted(
        "over HTTP: p95 at half load <= 60 ms",
        "serve", "serve_http",
        lambda f: f"{f['p95_ms_half_load']:.0f} ms; with {f['experts']} experts {f['many']['half']['p95_ms']:.0f} ms",
        lambda f: f["p95_ms_half_load"] <= 60,
    ),
    Wanted(
        "over HTTP: 1 to 200 experts, p95 <= 1.5 times, <= 3 MiB an expert",
        "serve", "serve_http",
        lambda f: f"{f['p95_many_over_one']:.2f} times, {f['mib_an_expert']:.2f} MiB an expert, {f['experts']} experts",
        lambda f: None if f["experts"] < 200 else f["p95_many_over_one"] <= 1.5 and f["mib_an_expert"] <= 3,
    ),
    Wanted(
        f"over HTTP: >= {_PEERS:g} times a plain FastAPI + transformers pipeline",
        "serve", "serve_http",
        lambda f: f"{f['over_peer']:.1f} times",
        lambda f: f["over_peer"] >= _PEERS,
    ),
    Wanted(
        "killed 20 times under load: nothing acknowledged lost, no store broken",
        "serve_faults", "serve_faults",
        lambda f: f"{f['rounds']} rounds, {f['answers']} answers and {f['truths']} truths: "
        f"{f['answers_lost']} and {f['truths_lost']} lost",
        lambda f: None
        if f["rounds"] < 20
        else not (f["answers_lost"] or f["truths_lost"]) and f["store"] == "ok" and f["ledger_ok"],
    ),
    Wanted(
        "ledger: 2,000 random single tampers, all found",
        "ledger", "tampers",
        lambda f: f"{f['found']} of {f['trials']}",
        lambda f: None if f["trials"] < 2000 else f["found"] == f["trials"],
    ),
    *(
        Wanted(
            f"ledger: 8 processes x 2,000 appends on {name}, none lost, chain valid"
            + ("; >= 1,000 appends/s, batched" if name == "PostgreSQL" else ""),
            "ledger", f"writers/{name.lower()}",
            lambda f: f"{f['lost']} lost of {f['appends']}, {'valid' if f['ok'] else 'BROKEN'}; "
            f"{f['appends_per_second']:.0f}/s one by one, {f['batched']['appends_per_second']:,.0f}/s batched",
            lambda f, least=least: None
            if f["appends"] < 16000
            else not f["lost"] and f["ok"] and f["batched"]["appends_per_second"] >= least,
        )
        for name, least in (("SQLite", 0), ("PostgreSQL", 1000))
    ),
    Wanted(
        "broken files of every form: no crash, none over 2 seconds",
        "fuzz", "readers",
        lambda f: f"{f['files']:,} files: {f['crashes']} crashes, {f['over_2_seconds']} over 2 s, slowest "
        f"{f['slowest_seconds']:.2f} s",
        lambda f: not f["crashes"] and not f["over_2_seconds"],
    ),
)  # fmt: skip
