"""The peer: SetFit with its own defaults, over a list of jobs in one process. Runs in benchmarks/.peers/setfit.

Defaults of SetFit 1.2: batches of 16 pairs, one epoch over oversampled pairs, body learning rate 2e-5, logistic
regression on top. Checkpoints are switched off so that their writing is not held against it.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.metrics import f1_score

from datasets import Dataset

# From the start of the process, which benchmarks.common writes down, until all imports are done.
_IMPORTS = time.time() - float(os.environ["BENCHMARK_STARTED"])
_IMPORTS_CPU = time.process_time()


def read(path: str, text: str, target: str) -> tuple[list[str], list[str]]:
    """A CSV's texts and labels."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row[text] for row in rows], [row[target] for row in rows]


def run(job: dict[str, Any], model: str) -> dict[str, Any]:
    """Load, train, predict: one job's accuracy and seconds, from loading the base to the last prediction."""
    texts, labels = read(job["train"], job["text"], job["target"])
    test_texts, test_labels = read(job["test"], job["text"], job["target"])
    code = {name: at for at, name in enumerate(sorted(set(labels)))}
    start, start_cpu = time.perf_counter(), time.process_time()
    encoder = SetFitModel.from_pretrained(model)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=encoder,
            args=TrainingArguments(
                output_dir=folder, batch_size=16, num_epochs=1, seed=job["seed"], save_strategy="no", report_to="none",
                show_progress_bar=False,
            ),
            train_dataset=Dataset.from_dict({"text": texts, "label": [code[label] for label in labels]}),
        )  # fmt: skip
        trainer.train()
    guess = np.asarray(encoder.predict(test_texts, show_progress_bar=False))
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - start_cpu
    truth = np.array([code[label] for label in test_labels])
    return {
        "id": job["id"],
        "accuracy": float((guess == truth).mean()),
        "macro_f1": float(f1_score(truth, guess, average="macro")),
        "seconds": seconds,
        "import_seconds": _IMPORTS,
        "cpu_seconds": cpu_seconds,
        "import_cpu_seconds": _IMPORTS_CPU,
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("setfit", "sentence-transformers", "torch", "transformers", "scikit-learn")
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", required=True, help="JSON list of jobs: id, train, test, text, target, seed")
    parser.add_argument("--model", required=True, help="folder of the base")
    parser.add_argument("--out", required=True, help="a JSON line for each job is appended here")
    choices = parser.parse_args()
    for job in json.loads(Path(choices.jobs).read_text(encoding="utf-8")):
        line = json.dumps(run(job, choices.model))
        with Path(choices.out).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
