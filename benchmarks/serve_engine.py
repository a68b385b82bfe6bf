"""Many experts on one trunk in mixed traffic: texts a second, waiting times and memory, beside PEFT and transformers.

Two adapters are tuned; all others are copies of them whose weights are moved a little and whose folders are sealed
anew, so that no two experts share a number. Every text is another one, for an expert drawn by chance.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import metier
from benchmarks import datasets
from benchmarks.common import MIB, WORK, record
from metier import files
from metier.expert import Expert
from metier.govern.record import seal_expert
from metier.serve.engine.batcher import Batcher
from metier.serve.engine.engine import Ask, Engine

PLACE = WORK / "serve_engine"
LONGEST = 20  # tokens of a text; about 15 on average
CLIENTS = 256


def tuned(rows: int) -> list[Path]:
    """Two adapters of four layers, on the two halves of some rows of Banking77."""
    found = []
    for half in range(2):
        folder = PLACE / f"tuned-{half}-{rows}"
        if not folder.is_dir():
            PLACE.mkdir(parents=True, exist_ok=True)
            lines = datasets.load("banking77").train.read_text(encoding="utf-8").splitlines(keepends=True)
            picked = np.random.default_rng(half).permutation(np.arange(1, len(lines)))[:rows]
            table = PLACE / f"train-{half}.csv"
            table.write_text(lines[0] + "".join(lines[at] for at in picked), encoding="utf-8")
            target = datasets.load("banking77").spec.target
            run = metier.tune(
                table, target=target, workspace=PLACE / "home", rung="adapter", epochs=1, layers=4, time_limit="none"
            )
            shutil.copytree(run.expert, folder)
        found.append(folder)
    return found


def copies(sources: Sequence[Path], count: int) -> list[Path]:
    """As many experts, each with weights of its own."""
    from safetensors.torch import load_file, save_file
    from torch import Generator, randn

    found = []
    for number in range(count):
        folder = PLACE / "experts" / f"{number:03d}"
        found.append(folder)
        if folder.is_dir():
            continue
        with files.write_folder(folder) as building:
            shutil.copytree(sources[number % len(sources)], building, dirs_exist_ok=True)
            (building / "manifest.json").unlink()
            noise = Generator().manual_seed(number)
            for name in ("adapter_model.safetensors", "head.safetensors", "words/words.safetensors"):
                if (building / name).is_file():
                    tensors = load_file(building / name)
                    moved = {
                        key: value * (1 + 0.05 * randn(value.shape, generator=noise)) for key, value in tensors.items()
                    }
                    save_file(moved, building / name)
            seal_expert(building)
    return found


def texts_of(count: int, expert: Expert) -> list[str]:
    """Distinct texts of at most LONGEST tokens: those of the test split, then the same with a number behind."""
    known = [str(text) for text in expert.examples(datasets.read(datasets.load("banking77").test)).inputs.to_pylist()]
    short = [text for text, size in zip(known, expert.trunk.lengths(known), strict=True) if size <= LONGEST]
    more = (f"{text} {number}" for number in range(1, 1000) for text in short)
    return (short + [next(more) for _ in range(max(0, count - len(short)))])[:count]


def rate(work: Callable[[], Any], texts: int, times: int) -> dict[str, float]:
    """Texts a second of the best of some runs, by the clock and by this process's own seconds."""
    found = []
    for _ in range(times):
        start, busy = time.perf_counter(), time.process_time()
        work()
        found.append((texts / (time.perf_counter() - start), texts / (time.process_time() - busy)))
    return {"per_second": max(wall for wall, _ in found), "per_cpu_second": max(cpu for _, cpu in found)}


def asked(texts: Sequence[str], experts: int) -> list[Ask]:
    names = np.random.default_rng(1).integers(experts, size=len(texts))
    return [Ask(f"{name:03d}", [text]) for name, text in zip(names, texts, strict=True)]


def engine_in(batches: int, engine: Engine, asks: Sequence[Ask]) -> None:
    for at in range(0, len(asks), batches):
        for answer in engine.answer(asks[at : at + batches]):
            if isinstance(answer, Exception):
                raise answer


async def saturated(engine: Engine, asks: Sequence[Ask]) -> None:
    """CLIENTS that each ask their next question as soon as the last is answered."""
    batcher, left = Batcher(engine), iter(asks)

    async def client() -> None:
        for ask in left:
            await batcher.submit(ask)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await batcher.close()


async def at_half_load(engine: Engine, asks: Sequence[Ask], per_second: float) -> dict[str, float]:
    """Milliseconds from question to answer, the questions coming by chance at so many a second."""
    batcher, rng, waits = Batcher(engine), np.random.default_rng(2), []

    async def client(ask: Ask) -> None:
        start = time.perf_counter()
        await batcher.submit(ask)
        waits.append(1000 * (time.perf_counter() - start))

    pending, due = [], time.perf_counter()
    for ask in asks:
        due += rng.exponential(1 / per_second)
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        pending.append(asyncio.create_task(client(ask)))
    await asyncio.gather(*pending)
    await batcher.close()
    return {"half_load_p50_ms": float(np.median(waits)), "half_load_p95_ms": float(np.quantile(waits, 0.95))}


def resident() -> float:
    """MiB this process holds, what it had freed given back first."""
    import ctypes

    import psutil

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return float(psutil.Process().memory_info().rss / MIB)


def offline(folder: Path, texts: Sequence[str], times: int) -> dict[str, float]:
    """One expert, all texts in one call."""
    expert = Expert.load(folder)
    expert.predict(texts[:64])
    return rate(lambda: expert.predict(list(texts)), len(texts), times)


def ours(folders: Sequence[Path], texts: Sequence[str], counts: Sequence[int], times: int) -> dict[str, Any]:
    """Offline speed of one expert, then the engine's with more and more of them."""
    figures: dict[str, Any] = {"offline": offline(folders[0], texts, times)}
    engine = Engine(PLACE / "cache", remembered_mib=0)
    for count in sorted(counts):
        start, held = time.perf_counter(), len(engine.loaded())
        for number in range(held, count):
            engine.load(f"{number:03d}", folders[number])
        loading = (time.perf_counter() - start) / max(1, count - held)
        asks = asked(texts, count)
        engine_in(128, engine, asks[:256])
        line: dict[str, Any] = {
            "engine": rate(lambda asks=asks: engine_in(128, engine, asks), len(asks), times),
            "batcher": rate(lambda asks=asks: asyncio.run(saturated(engine, asks)), len(asks), times),
            "load_seconds": loading,
            "resident_mib": resident(),
            "held_mib": sum(fact["mib"] for fact in engine.loaded().values()) / count,
        }
        line |= asyncio.run(at_half_load(engine, asks, line["batcher"]["per_second"] / 2))
        for way in ("engine", "batcher"):
            line[f"{way}_of_offline"] = line[way]["per_cpu_second"] / figures["offline"]["per_cpu_second"]
        figures[f"experts_{count}"] = line
    few, many = min(counts), max(counts)
    if many > few:
        grown = figures[f"experts_{many}"]["resident_mib"] - figures[f"experts_{few}"]["resident_mib"]
        figures["mib_an_expert"] = grown / (many - few)
        figures["p95_ratio"] = (
            figures[f"experts_{many}"]["half_load_p95_ms"] / figures[f"experts_{few}"]["half_load_p95_ms"]
        )
    return figures


def with_peft(folders: Sequence[Path], texts: Sequence[str], counts: Sequence[int], times: int) -> dict[str, Any]:
    """The same asks through PEFT's `adapter_names`, 128 at a time in the order they came, as its documentation shows.

    Texts are padded by the tokenizer; pooling and each expert's head are included, the words blended in are not.
    """
    import torch
    import transformers
    from peft import PeftModel

    from metier.trunk import base as bases
    from metier.tune.heads import Head

    folder, heads = bases.find("minilm").folder, {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    plain = transformers.AutoModel.from_pretrained(folder)
    model = PeftModel.from_pretrained(plain, folders[0], adapter_name="000").eval()
    figures: dict[str, Any] = {}
    for count in sorted(counts):
        for number in range(count):
            if number and f"{number:03d}" not in heads:
                model.load_adapter(folders[number], adapter_name=f"{number:03d}")
            heads.setdefault(f"{number:03d}", Head.load(folders[number] / "head.safetensors"))
        names = [ask.expert for ask in asked(texts, count)]

        def answer(names: Sequence[str] = names) -> None:
            for start in range(0, len(texts), 128):
                mine = names[start : start + 128]
                read = tokenizer(list(texts[start : start + 128]), padding=True, truncation=True, return_tensors="pt")
                with torch.inference_mode():
                    states = model(**read, adapter_names=mine).last_hidden_state
                mask = read["attention_mask"]
                pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
                for row, name in enumerate(mine):
                    heads[name].weight[:, : pooled.shape[1]] @ pooled[row]

        figures[f"experts_{count}"] = {**rate(answer, len(texts), times), "resident_mib": resident()}
    return figures


def with_pipeline(texts: Sequence[str], times: int) -> dict[str, float]:
    """transformers' pipeline, one text at a time, with one model of as many labels: no expert is ever changed."""
    import transformers

    from metier.trunk import base as bases

    folder = bases.find("minilm").folder
    transformers.logging.set_verbosity_error()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, num_labels=77)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    answer = transformers.pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    return rate(lambda: [answer(text) for text in texts], len(texts), times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--experts", type=int, nargs="*", default=[1, 10, 50, 200])
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--times", type=int, default=3, help="runs of which the best counts")
    parser.add_argument("--rows", type=int, default=4000, help="tuned on, each of the two")
    parser.add_argument("--tuned", type=Path, nargs="*", help="copy these experts in place of two tuned here")
    parser.add_argument("--threads", type=int, help="of torch; as many as cores if left out")
    parser.add_argument("--parts", nargs="*", default=["ours", "peft", "pipeline"])
    choices = parser.parse_args()
    if choices.threads:
        import torch

        torch.set_num_threads(choices.threads)
    start = time.perf_counter()
    folders = copies(choices.tuned or tuned(choices.rows), max(choices.experts))
    texts = texts_of(choices.texts, Expert.load(folders[0]))
    figures: dict[str, Any] = {"texts": len(texts), "threads": choices.threads}
    if "ours" in choices.parts:
        figures["ours"] = ours(folders, texts, choices.experts, choices.times)
    if "peft" in choices.parts:
        figures["peft"] = with_peft(folders, texts, choices.experts, choices.times)
    if "pipeline" in choices.parts:
        figures["pipeline"] = with_pipeline(texts[:512], choices.times)
    record("engine", figures, seconds=time.perf_counter() - start, quick=len(texts) < 4096)


if __name__ == "__main__":
    main()
