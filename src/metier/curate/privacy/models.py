"""Names found by a model the user names: a token-classification folder of Hugging Face's form, or Presidio."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from metier.curate.privacy.hits import Hit, settle
from metier.errors import BaseError, UsageError

Finder = Callable[[Sequence[str]], list[list[Hit]]]
_PERSON = frozenset(
    ["per", "person", "name", "nam", "givenname", "surname", "firstname", "lastname", "first_name", "last_name"]
)
_BATCH = 32


def finder(name: str) -> Finder:
    """What finds names in a list of texts. Raises BaseError for a folder that holds no such model, UsageError."""
    if name.strip().lower() == "presidio":
        return _presidio()
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file():
        raise BaseError(
            "no-such-model",
            "--names must be a folder with a token-classification model, or presidio.",
            found=f"no config.json in {folder}",
            fix="Name the folder that holds config.json, model.safetensors and tokenizer.json.",
        )
    return _tokens(folder)


def _person(label: str) -> str | None:
    """`B-PER` -> `B`, for labels that mean people; None for others."""
    head, _, tail = label.replace("_", "-", 1).partition("-") if label[1:2] in {"-", "_"} else ("B", "", label)
    return head.upper() if tail.lower().replace("-", "_") in _PERSON else None


def _tokens(folder: Path) -> Finder:
    import torch
    from tokenizers import Tokenizer
    from transformers import AutoModelForTokenClassification

    try:
        model = AutoModelForTokenClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).eval()
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise BaseError(
            "bad-model",
            "The model that finds names must be a token-classification model with its tokenizer, in safetensors.",
            found=f"{folder}: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            fix="Save it with save_pretrained() of a fast tokenizer and model, or leave --names out.",
        ) from error
    begins = {code: _person(label) for code, label in model.config.id2label.items()}
    if not any(begins.values()):
        raise BaseError(
            "no-names-in-model",
            "The model that finds names must have a label for people, such as PER.",
            found=", ".join(map(str, list(model.config.id2label.values())[:12])),
            fix="Name another model, or leave --names out.",
        )
    most = int(getattr(model.config, "max_position_embeddings", 512)) - 2
    # A long text is read in windows that overlap, so that no name is cut.
    tokenizer.enable_truncation(most, stride=min(32, most // 4))
    tokenizer.no_padding()

    def find(texts: Sequence[str]) -> list[list[Hit]]:
        found: list[list[Hit]] = [[] for _ in texts]
        windows = [
            (number, window)
            for number, encoding in enumerate(tokenizer.encode_batch(list(texts)))
            for window in [encoding, *encoding.overflowing]
            if window.ids
        ]
        for at in range(0, len(windows), _BATCH):
            batch = windows[at : at + _BATCH]
            longest = max(len(window.ids) for _, window in batch)
            ids, attended = torch.zeros((2, len(batch), longest), dtype=torch.long)
            for row, (_, window) in enumerate(batch):
                ids[row, : len(window.ids)] = torch.tensor(window.ids)
                attended[row, : len(window.ids)] = 1
            with torch.inference_mode():
                best = model(input_ids=ids, attention_mask=attended).logits.softmax(-1).max(-1)
            for row, (number, window) in enumerate(batch):
                size = len(window.ids)
                codes, sure = best.indices[row, :size].tolist(), best.values[row, :size].tolist()
                found[number] += _spans(codes, sure, window.offsets, begins)
        return [settle(hits) for hits in found]

    return find


def _spans(
    codes: list[int], sure: list[float], places: list[tuple[int, int]], begins: dict[int, str | None]
) -> list[Hit]:  # fmt: skip
    """Tokens of people side by side become one hit, whose confidence is its least sure token's."""
    hits: list[Hit] = []
    open_at: tuple[int, int, float] | None = None
    for code, share, (start, end) in [*zip(codes, sure, places, strict=True), (-1, 0.0, (0, 0))]:
        tag = begins.get(code) if start != end else None
        # A piece of a word goes with the word, a word after a blank with the name before it.
        if tag and open_at and (tag != "B" or start == open_at[1]) and start - open_at[1] <= 1:
            open_at = (open_at[0], end, min(open_at[2], share))
            continue
        if open_at and open_at[2] >= 0.5:
            hits.append(Hit("name", open_at[0], open_at[1], round(open_at[2], 4), "model"))
        open_at = (start, end, share) if tag else None
    return hits


def _presidio() -> Finder:
    try:
        presidio = importlib.import_module("presidio_analyzer")
    except ImportError as error:
        raise UsageError(
            "missing-extra",
            "Presidio must be installed to find names with it.",
            found="no package presidio_analyzer",
            fix='Run pip install "metier[privacy]" and a language model of spaCy, or name a model\'s folder.',
        ) from error
    engine: Any = presidio.AnalyzerEngine()

    def find(texts: Sequence[str]) -> list[list[Hit]]:
        return [
            [
                Hit("name", one.start, one.end, float(one.score), "presidio")
                for one in engine.analyze(text=text, language="en", entities=["PERSON"])
            ]
            for text in texts
        ]

    return find
