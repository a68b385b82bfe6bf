"""Make RESULTS.md anew from benchmarks/results/*.json; no figure in it is typed by hand.

The latest full (not quick) result of each figure counts. A figure that was never measured says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.common import ROOT, recorded
from benchmarks.datasets import SPECS, TABLE
from benchmarks.report_data_room import DATA_ROOM
from benchmarks.report_evidence import EVIDENCE
from benchmarks.report_serving import SERVING
from benchmarks.report_wanted import Figures, Wanted

NOT_RUN = "not run yet"
_SEEDS = 10  # of the comparison with SetFit


def _test(figures: Figures, metric: str) -> float:
    return float(figures["test"][metric])


def _ladder(name: str, limit: str, metric: str, least: float, seconds: float) -> Wanted:
    within = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
    return Wanted(
        f"{name}, {'default settings' if limit == 'default' else 'limit of ' + limit}: test {metric} >= {least:.3f}"
        + (f" in <= {within} on 2 cores" if limit == "default" else ""),
        "ladder", f"{name}/{limit}",
        lambda f: f"{metric} {_test(f, metric):.4f} in {f['wall_seconds']:.0f} s, rung {f['chosen']}",
        lambda f: _test(f, metric) >= least and (limit != "default" or f["wall_seconds"] <= seconds),
        words=name,
    )  # fmt: skip


def _speed(f: Figures) -> str:
    if f["times_examples_per_second"] is None:
        return "our adapter rung gave no speed"
    mine, theirs = f["our_examples_per_second"], f["peer_examples_per_second"]
    whole = f"{f['times_examples_per_second_of_whole_rung']:.1f} with all the rung's own overhead"
    return f"{mine:.0f} against {theirs:.0f} samples/s: {f['times_examples_per_second']:.1f} times ({whole})"


def _wait(f: Figures) -> str:
    peer = f"peer {f['metric']} {f['peer_final']:.4f} after {f['peer_seconds']:.0f} s"
    if f["our_seconds"] is None:
        return f"{peer}; not reached by ours"
    share = f["share_of_time"]
    return f"{peer}; ours ({f['our_way']}) after {f['our_seconds']:.0f} s: {share:.3f}, or 1/{1 / share:.0f}"


def _shots(f: Figures) -> str:
    if not f.get("jobs"):
        return "no job finished"
    d = f["difference"]
    between = f" ({100 * d['low']:+.1f} to {100 * d['high']:+.1f})" if d["low"] is not None else ""
    return (
        f"{100 * f['ours']:.1f} against {100 * f['setfit']:.1f}: {100 * d['mean']:+.1f} points{between}; "
        f"1/{1 / f['share_of_time']:.1f} of its processor time; {f['jobs']} draws, {f['seeds']} of {_SEEDS} seeds run, "
        f"{len(f['failed'])} failed"
    )


def _rate(f: Figures) -> str:
    return f"{f['climbed']} of {f['trials']}: {100 * f['rate']:.1f}% ({100 * f['low']:.1f} to {100 * f['high']:.1f})"


def _share(f: Figures) -> str:
    return (
        f"{100 * f['share_of_peak']:.0f}% of {max(f['matmul_gflops'].values()):.0f} GFLOP/s; "
        f"{f['our_texts_per_second']:.0f} texts/s, "
        f"sentence-transformers {f['sentence_transformers_texts_per_second']:.0f}"
    )


def _memory(f: Figures) -> str:
    return f"{f['peak_mib'] / 1024:.2f} GiB ({f['peak_anonymous_mib'] / 1024:.2f} without mapped files)"


def _gpu(f: Figures) -> str:
    if "not_run" in f:
        return str(f["not_run"])
    return f"{f['device']}: {_speed(f)}; accuracy {f['our_accuracy']:.4f} against {f['peer_accuracy']:.4f}"


def _ahead(f: Figures) -> bool:
    return bool(f.get("jobs")) and not f["failed"] and f["difference"]["mean"] > 0


def _none(_: Figures) -> None:
    return None


WANTED = (
    _ladder("banking77", "default", "accuracy", 0.942, 720),
    _ladder("banking77", "90s", "accuracy", 0.930, 90),
    _ladder("tweeteval_emotion", "default", "macro_f1", 0.775, 720),
    Wanted("Trainer + PEFT LoRA: >= 5 times its samples/s", "peers_train", "banking77/lora-ratios", _speed,
           lambda f: (f["times_examples_per_second"] or 0) >= 5),
    Wanted("Trainer + PEFT LoRA: its final accuracy in <= 1/20 of its wall time", "peers_train",
           "banking77/lora-ratios", _wait, lambda f: (f["share_of_time"] or 1) <= 1 / 20),
    Wanted("best-tuned full fine-tune: its final accuracy in <= 1/4 of its wall time (its search not counted)",
           "peers_train", "banking77/full-ratios", _wait, lambda f: (f["share_of_time"] or 1) <= 1 / 4),
    Wanted("SetFit 1.2, 8 and 16 shots, 10 seeds, four data sets: higher mean accuracy in <= 1/5 of its time",
           "few_shot", "all", _shots,
           lambda f: _ahead(f) and f["share_of_time"] <= 0.2 and f["seeds"] >= _SEEDS),
    Wanted("embedding, short texts: >= 85% of the float32 matmul rate of the same run", "embedding", "banking77",
           _share, lambda f: f["share_of_peak"] >= 0.85),
    Wanted("embedding, long texts (no figure wanted)", "embedding", "medical_abstracts", _share, _none),
    Wanted("peak memory of an adapter on Banking77 < 1.5 GiB", "memory", "banking77", _memory,
           lambda f: f["peak_mib"] < 1536),
    Wanted("peak memory, 1,000,000 texts of 20 tokens, frozen rung < 4 GiB", "memory", "million", _memory,
           lambda f: f["peak_mib"] < 4096),
    Wanted("the same loop on CUDA in bf16 beside Trainer + PEFT (recorded)", "gpu", "cuda", _gpu, _none),
    *(
        Wanted(f"stop rule on equal rungs ({what}, {metric}): climbs in <= 5%", "aa", f"{part}/{metric}", _rate,
               lambda f: f["rate"] <= 0.05)
        for part, what in (("simulated", "simulated"), ("heads", "real heads"))
        for metric in ("accuracy", "macro_f1")
    ),
)  # fmt: skip


def latest(script: str, figure: str) -> dict[str, Any] | None:
    """The newest full result of a figure, or None."""
    lines = [line for line in recorded(script) if line["figure"] == figure and not line["quick"]]
    return lines[-1] if lines else None


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    safe = [[cell.replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    return ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *safe)]


def figures(wanted_ones: Sequence[Wanted]) -> list[str]:
    """The table of wanted figures."""
    rows = []
    for wanted in wanted_ones:
        command = f"`python -m benchmarks.{' '.join(filter(None, (wanted.script, wanted.words)))}`"
        line = latest(wanted.script, wanted.figure)
        if line is None:
            rows.append([wanted.text, NOT_RUN, "", command, "", "", ""])
        elif line["figures"].get("error") is not None:
            rows.append([wanted.text, _failure(line["figures"]), "failed", *_origin(line)])
        else:
            met = wanted.met(line["figures"])
            verdict = "" if met is None else ("met" if met else "**missed**")
            rows.append([wanted.text, wanted.shown(line["figures"]), verdict, *_origin(line)])
    return table(["figure wanted", "result", "verdict", "command", "machine", "load before", "date"], rows)


def _failure(found: Figures) -> str:
    error = found["error"]
    return f"failed: {error.get('code', error) if isinstance(error, dict) else str(error)[-200:]}"


def _origin(line: dict[str, Any]) -> list[str]:
    machine = line["machine"]
    described = f"{machine['cores']} cores, {machine['cpu']}, {machine['memory_gib']} GiB"
    return [f"`{line['command']}`", described, f"{machine['load_before']}", line["date"][:10]]


def ladders() -> list[str]:
    """Every data set: ours by default and in 90 seconds, with scikit-learn's defaults beside."""
    rows = []
    for spec in SPECS.values():
        cells = [f"{spec.name} ({spec.note})", spec.metric]
        for limit in ("default", "90s"):
            cells.append(_run(latest("ladder", f"{spec.name}/{limit}"), spec.metric))
        line = latest("baselines", spec.name)
        beside = [
            f"{model} {found['test'][spec.metric]:.4f} in {found['seconds']:.1f} s"
            for model, found in (line["figures"] if line else {}).items()
            if spec.metric in found["test"]
        ]
        rows.append([*cells, "; ".join(beside) or NOT_RUN])
    return table(
        ["data set", "test metric", "metier tune", "metier tune --time-limit 90s", "scikit-learn defaults"], rows
    )


def _run(line: dict[str, Any] | None, metric: str) -> str:
    if line is None:
        return NOT_RUN
    found = line["figures"]
    if found.get("error") is not None:
        return _failure(found)
    value = found["test_intervals"].get(metric)
    if value is None:
        return f"no {metric}; rung {found['chosen']}, {found['wall_seconds']:.0f} s"
    between = f" ({value['low']:.3f} to {value['high']:.3f})" if isinstance(value, dict) and value.get("low") else ""
    cost = f"{found['wall_seconds']:.0f} s, {found['peak_mib']} MiB"
    return f"{_test(found, metric):.4f}{between}, {found['chosen']}, {cost}"


def few_shot() -> list[str]:
    """SetFit's table, one row a data set and number of shots."""
    names = sorted({line["figure"] for line in recorded("few_shot") if not line["quick"]} - {"all"})
    rows = [[name, _shots(line["figures"])] for name in names if (line := latest("few_shot", name))]
    return table(
        ["data set/shots a class", "ours against SetFit, mean accuracy over the draws"], rows or [["", NOT_RUN]]
    )


def peers() -> list[str]:
    """What each peer reached after each epoch, and what its search tried."""
    rows = []
    for part, name in (("lora", "Trainer + PEFT LoRA"), ("full", "best-tuned full fine-tune")):
        line = latest("peers_train", f"banking77/{part}")
        for epoch in line["figures"].get("epochs", ()) if line else ():
            rows.append([name, f"{epoch['epoch']:.0f}", f"{epoch['training_seconds']:.0f}", f"{epoch['accuracy']:.4f}"])
    line = latest("peers_train", "banking77/ours")
    for name, run in (line["figures"] if line else {}).items():
        if "test" in run:
            rows.append(
                [f"metier, {name}", run["chosen"], f"{run['wall_seconds']:.0f}", f"{run['test']['accuracy']:.4f}"]
            )
    heads = ["Banking77", "epoch or rung", "seconds (peers: training alone; ours: whole process)", "test accuracy"]
    return table(heads, rows or [["", NOT_RUN, "", ""]])


def page() -> str:
    """The whole of RESULTS.md."""
    tables = sum(spec.kind == TABLE for spec in SPECS.values())
    parts: list[str] = [
        "# Results",
        "Made by `python -m benchmarks.report` from `benchmarks/results/*.json`, where each line also holds the"
        " versions, the commit and the raw figures. Not edited by hand. How each is run: [README.md](README.md).",
        "## Figures wanted of tuning",
        "\n".join(figures(WANTED)),
        "## Figures wanted of the data room",
        "\n".join(figures(DATA_ROOM)),
        "## Figures wanted of the evidence",
        "\n".join(figures(EVIDENCE)),
        "## Figures wanted of serving",
        "\n".join(figures(SERVING)),
        "## Data sets",
        f"{len(SPECS) - tables} of texts, {tables} of rows. Ours: test metric (95% interval), chosen rung, wall seconds"
        " of the whole process, its peak memory.",
        "\n".join(ladders()),
        "## Against Hugging Face Trainer",
        "\n".join(peers()),
        "## Against SetFit",
        "\n".join(few_shot()),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    target = ROOT / "benchmarks" / "RESULTS.md"
    target.write_text(page(), encoding="utf-8")
    print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
