"""The peer: Hugging Face Trainer, with a PEFT LoRA adapter or with all weights, written as its documentation does.

Runs in benchmarks/.peers/hf (see peers.py) and imports nothing of metier. The LoRA settings are those of PEFT's own
example (github.com/huggingface/peft, examples/sequence_classification/LoRA.ipynb: learning rate 3e-4, alpha twice the
rank, dropout 0.1, 6% warm-up, batches of 32 padded to their longest text), with rank 16 on all linear layers.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, TaskType, get_peft_model
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import train_test_split
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from datasets import Dataset

# From the start of the process, which benchmarks.common writes down, until all imports are done.
_IMPORTS = time.time() - float(os.environ["BENCHMARK_STARTED"])
_IMPORTS_CPU = time.process_time()


class Clock(TrainerCallback):
    """Seconds of training alone, of the clock and of the processor: evaluations between epochs are not counted."""

    def __init__(self) -> None:
        self.trained = self.trained_cpu = self.measured_cpu = 0.0
        self.epochs: list[dict[str, float]] = []
        self._since = self._since_cpu = self._ended_cpu = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        _wait()
        self._since, self._since_cpu = time.perf_counter(), time.process_time()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        _wait()
        self._ended_cpu = time.process_time()
        self.trained += time.perf_counter() - self._since
        self.trained_cpu += self._ended_cpu - self._since_cpu

    def on_evaluate(self, *_: Any, metrics: dict[str, float], **__: Any) -> None:
        self.measured_cpu = time.process_time() - self._ended_cpu
        figures = {name.removeprefix("eval_"): value for name, value in metrics.items()}
        self.epochs.append({"epoch": len(self.epochs) + 1, "training_seconds": self.trained, **figures})
        print(json.dumps(self.epochs[-1]), flush=True)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def read(path: str, text: str, target: str) -> tuple[list[str], list[str]]:
    """A CSV's texts and labels."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row[text] for row in rows], [row[target] for row in rows]


def tables(choices: argparse.Namespace) -> tuple[list[str], tuple[Any, Any], tuple[Any, Any]]:
    """Label names, what is trained on and what is measured on: the test file, or a share of the training rows."""
    texts, labels = read(choices.train, choices.text, choices.target)
    names = sorted(set(labels))
    if choices.validation:
        kept, held = train_test_split(
            np.arange(len(texts)), test_size=choices.validation, random_state=choices.seed, stratify=labels
        )
        train, measured = (([texts[i] for i in part], [labels[i] for i in part]) for part in (kept, held))
    else:
        train, measured = (texts, labels), read(choices.test, choices.text, choices.target)
    return names, train, measured


def build(choices: argparse.Namespace, labels: int) -> Any:
    """The model: the base with a fresh classifier, its weights trained or frozen under LoRA."""
    model = AutoModelForSequenceClassification.from_pretrained(choices.model, num_labels=labels)
    if choices.full:
        return model
    config = LoraConfig(
        task_type=TaskType.SEQ_CLS, r=16, lora_alpha=32, lora_dropout=0.1, target_modules="all-linear", bias="none"
    )
    return get_peft_model(model, config)


def run(choices: argparse.Namespace) -> dict[str, Any]:
    """Train, measure after every epoch, and say what it took."""
    start = time.perf_counter()
    set_seed(choices.seed)
    names, train, measured = tables(choices)
    tokenizer = AutoTokenizer.from_pretrained(choices.model)
    code = {name: at for at, name in enumerate(names)}

    def encoded(part: tuple[list[str], list[str]]) -> Dataset:
        data = Dataset.from_dict({"text": part[0], "label": [code[label] for label in part[1]]})
        return data.map(lambda batch: tokenizer(batch["text"], truncation=True), batched=True, remove_columns=["text"])

    model = build(choices, len(names))
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=folder, num_train_epochs=choices.epochs, learning_rate=choices.learning_rate,
                per_device_train_batch_size=choices.batch, per_device_eval_batch_size=64, warmup_steps=0.06,
                eval_strategy="epoch", save_strategy="no", report_to="none", seed=choices.seed, bf16=choices.bf16,
                disable_tqdm=True,
            ),
            train_dataset=encoded(train), eval_dataset=encoded(measured), processing_class=tokenizer,
            data_collator=DataCollatorWithPadding(tokenizer), compute_metrics=score, callbacks=[clock],
        )  # fmt: skip
        prepared, prepared_cpu = time.perf_counter() - start, time.process_time() - _IMPORTS_CPU
        trainer.train()
    last = clock.epochs[-1]
    return {
        "mode": "full" if choices.full else "lora",
        "learning_rate": choices.learning_rate,
        "train_rows": len(train[0]),
        "measured_rows": len(measured[0]),
        "epochs": clock.epochs,
        "accuracy": last["accuracy"],
        "macro_f1": last["macro_f1"],
        "examples_per_second": len(train[0]) * choices.epochs / clock.trained,
        "import_seconds": _IMPORTS,
        "prepare_seconds": prepared,
        "training_seconds": clock.trained,
        # what a person waits: imports, preparation, training, and one measurement at the end
        "wall_seconds": _IMPORTS + prepared + clock.trained + last["runtime"],
        # the same in seconds of one processor, which a busy machine does not lengthen
        "threads": torch.get_num_threads(),
        "cpu_seconds": _IMPORTS_CPU + prepared_cpu + clock.trained_cpu + clock.measured_cpu,
        "examples_per_cpu_second": len(train[0]) * choices.epochs / clock.trained_cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "device": str(trainer.args.device),
        "versions": {
            name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft", "accelerate", "numpy")
        },
    }


def score(given: Any) -> dict[str, float]:
    """Accuracy and macro F1 from logits."""
    guess = given.predictions.argmax(-1)
    return {
        "accuracy": float(accuracy_score(given.label_ids, guess)),
        "macro_f1": float(f1_score(given.label_ids, guess, average="macro")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="folder of the base")
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--out", required=True, help="where the result's JSON goes")
    parser.add_argument("--full", action="store_true", help="train all weights instead of an adapter")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--validation", type=float, default=0.0, help="measure on this share of the training rows")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    choices = parser.parse_args()
    Path(choices.out).write_text(json.dumps(run(choices)), encoding="utf-8")


if __name__ == "__main__":
    main()
