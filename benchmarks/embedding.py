"""How much of the machine's float32 matrix speed the trunk reaches, beside sentence-transformers, in one run."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks import datasets
from benchmarks.common import record


def ours() -> tuple[Callable[[Sequence[str]], np.ndarray], Callable[[Sequence[str]], np.ndarray], str]:
    """THE PLACE TO PLUG IN: (embed: texts -> features without a cache, lengths: texts -> tokens, the base's folder)."""
    from metier.trunk.base import find
    from metier.trunk.features import Trunk

    base = find("minilm")
    trunk = Trunk(base)
    trunk.model.eval()
    return lambda texts: trunk.features(texts, keep=False), lambda texts: trunk.tokens(texts).lengths, base.folder


def work(folder: str, lengths: np.ndarray) -> float:
    """Floating-point operations the encoder cannot avoid for texts of these lengths, padding not counted as work.

    Two a weight of every linear layer that is applied to each token, and in every layer 4 * length^2 * hidden for
    the two products of attention. The pooler is left out: a pooled feature does not need it.
    """
    from torch import nn
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    linear = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith("pooler")
    )
    attention = 4.0 * model.config.num_hidden_layers * model.config.hidden_size
    squares = float((lengths.astype(np.float64) ** 2).sum())
    return 2.0 * linear * float(lengths.sum()) + attention * squares


def matmul(size: int, seconds: float) -> float:
    """Float32 GFLOP/s of torch's square matrix product, over at least this long."""
    import torch

    a, b = torch.randn(size, size), torch.randn(size, size)
    out = torch.empty(size, size)
    torch.matmul(a, b, out=out)
    times, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        torch.matmul(a, b, out=out)
        times += 1
    return times * 2 * size**3 / (time.perf_counter() - start) / 1e9


def timed(embed: Callable[[list[str]], np.ndarray], texts: list[str]) -> float:
    start = time.perf_counter()
    embed(texts)
    return time.perf_counter() - start


def compare(texts: list[str], rounds: int, seconds: float, sizes: Sequence[int]) -> dict[str, object]:
    """Interleaved rounds: a busy moment then falls on all of them; medians are what counts."""
    import torch
    from sentence_transformers import SentenceTransformer

    embed, count, folder = ours()
    peer = SentenceTransformer(folder, device="cpu")
    lengths = count(texts)
    flops = work(folder, lengths)
    few = texts[: max(8, len(texts) // 20)]
    embed(few)
    peer.encode(few)
    peaks: dict[int, list[float]] = {size: [] for size in sizes}
    mine, theirs, shares = [], [], []
    for _ in range(rounds):
        before = {size: matmul(size, seconds) for size in sizes}
        mine.append(timed(embed, texts))
        after = {size: matmul(size, seconds) for size in sizes}
        theirs.append(timed(lambda some: peer.encode(some, show_progress_bar=False), texts))
        for size in sizes:
            peaks[size].append((before[size] + after[size]) / 2)
        # the peak of the same moment, and of the size of matrix that suits this machine best
        shares.append(flops / mine[-1] / 1e9 / max(peaks[size][-1] for size in sizes))
    start = time.perf_counter()
    count(texts)
    return {
        "texts": len(texts),
        "tokens_per_text": float(lengths.mean()),
        "our_texts_per_second": len(texts) / statistics.median(mine),
        "sentence_transformers_texts_per_second": len(texts) / statistics.median(theirs),
        "times_sentence_transformers": statistics.median(theirs) / statistics.median(mine),
        "our_gflops": flops / statistics.median(mine) / 1e9,
        "matmul_gflops": {str(size): statistics.median(values) for size, values in peaks.items()},
        "share_of_peak": statistics.median(shares),
        "shares": shares,
        "tokenising_share_of_time": (time.perf_counter() - start) / statistics.median(mine),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of matrix products before and after each round")
    parser.add_argument("--sizes", nargs="*", type=int, default=[1024, 2048])
    choices = parser.parse_args()
    # short texts of a help-desk, and long ones, where attention weighs more
    for name, column, share in (("banking77", "text", 1.0), ("medical_abstracts", "abstract", 0.1)):
        for files in datasets.available([name]):
            start = time.perf_counter()
            texts = [row[column] for row in datasets.read(files.train)][: int(choices.texts * share)]
            figures = compare(texts, choices.rounds, choices.seconds, choices.sizes)
            record(name, figures, seconds=time.perf_counter() - start, quick=choices.texts < 3000 or choices.rounds < 3)


if __name__ == "__main__":
    main()
