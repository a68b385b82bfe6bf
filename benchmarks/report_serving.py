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
)  # fmt: skip
