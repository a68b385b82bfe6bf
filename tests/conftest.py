"""Small real things all tests share: a tiny encoder with its tokenizer, and a table of short tickets."""

from __future__ import annotations

import csv
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from tests.postgres import Server, postgres  # noqa: F401  a fixture is known by being here

from metier.workspace import Workspace

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# How long a machine takes says nothing on whether the code is right.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

THINGS = {
    "card": ["card", "plastic", "visa card", "debit card", "bank card"],
    "transfer": ["transfer", "wire", "payment to a friend", "standing order", "remittance"],
    "login": ["login", "password", "sign in", "app access", "pin code"],
    "fees": ["fee", "charge", "cost", "commission", "price"],
}
FRAMES = [
    "my {} does not work",
    "please help with the {}",
    "what about the {} today",
    "i have a question on my {}",
    "the {} is wrong again",
    "why is the {} like this",
    "tell me more of the {}",
    "is the {} free of trouble",
]


def tickets(rows: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, intent) pairs, most of them distinct: an easy task of four labels."""
    rng = np.random.default_rng(seed)
    labels = list(THINGS)
    out = []
    for number in range(rows):
        label = labels[number % len(labels)]
        thing = THINGS[label][rng.integers(len(THINGS[label]))]
        frame = FRAMES[rng.integers(len(FRAMES))]
        out.append((f"{frame.format(thing)} {rng.integers(1000)}", label))
    return out


def write_tickets(path: Path, rows: int, seed: int = 0) -> Path:
    """A CSV of `tickets` with the columns text and intent."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent"])
        writer.writerows(tickets(rows, seed))
    return path


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT of 4 layers and width 32, random but seeded, and a word-piece tokenizer of its own."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("bases") / "tiny"
    # Spelt out, not trained: a trained vocabulary differs from process to process where pieces are equally common.
    words = sorted({word for text, _ in tickets(400) for word in text.split() if word.isalpha()})
    letters = [chr(code) for code in (*range(ord("0"), ord("9") + 1), *range(ord("a"), ord("z") + 1))]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters), *words]
    vocabulary = {piece: code for code, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def tiny_image_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a residual network of two stages, its classes named after shapes, and its image processor."""
    import torch
    from transformers import ConvNextImageProcessor, ResNetConfig, ResNetForImageClassification

    folder = tmp_path_factory.mktemp("bases") / "tiny-images"
    torch.manual_seed(0)
    names = dict(enumerate(("circle, disc", "filled square", "stripes", "dog")))
    sizes = {"embedding_size": 16, "hidden_sizes": [16, 24], "depths": [1, 1], "layer_type": "basic"}
    config = ResNetConfig(**sizes, id2label=names, label2id={name: code for code, name in names.items()})
    ResNetForImageClassification(config).save_pretrained(folder)
    ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0).save_pretrained(folder)
    return folder


@pytest.fixture
def ticket_file(tmp_path: Path) -> Path:
    """240 easy tickets."""
    return write_tickets(tmp_path / "tickets.csv", 240)


@dataclass(frozen=True)
class Answer:
    """What a command said: its exit code and both its streams."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)


Command = Callable[..., Answer]


@pytest.fixture(scope="session")
def metier() -> Command:
    """The command line within this process: `metier("verify", folder)`. A traceback is not caught."""
    from click.testing import CliRunner

    from metier.cli import main

    def run(*words: object, stdin: str | bytes | None = None) -> Answer:
        found = CliRunner().invoke(main, [str(word) for word in words], input=stdin, catch_exceptions=False)
        return Answer(found.exit_code, found.stdout, found.stderr)

    return run


@dataclass(frozen=True)
class Finished:
    """A finished `metier tune`: what was typed, what it answered, and where everything lies."""

    words: list[str]
    answer: Answer
    data: Path
    test: Path
    base: Path
    workspace: Path
    output: Path
    run: Path


@pytest.fixture(scope="session")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory, metier: Command) -> Finished:
    """An adapter tuned on 300 easy tickets, with a test file and `-o`. Only to be read: all tests share it."""
    place = tmp_path_factory.mktemp("finished")
    data, test = write_tickets(place / "tickets.csv", 300), write_tickets(place / "test.csv", 40, seed=7)
    words = ["tune", str(data), "--target", "intent", "--test", str(test), "--base", str(tiny_base)]
    words += ["--rung", "adapter", "--epochs", "2", "--validation", "0.5", "--seed", "3"]
    words += ["--workspace", str(place / "home"), "-o", str(place / "expert"), "--json"]
    answer = metier(*words)
    assert answer.code == 0, answer
    run = Path(answer.json["run"])
    return Finished(words, answer, data, test, tiny_base, place / "home", place / "expert", run)


NUMBERED_THINGS = {
    "card": ["card", "plastic", "visa card", "bank card"],
    "transfer": ["transfer", "wire", "standing order", "remittance"],
    "login": ["login", "password", "sign in", "pin code"],
    "fees": ["fee", "charge", "cost", "price"],
}
NUMBERED_FRAMES = ["my {} does not work", "please help with the {}", "the {} is wrong again", "tell me more of the {}"]


@pytest.fixture
def ticket_rows(tmp_path: Path) -> Callable[[int], Path]:
    """A CSV of so many easy tickets of four intents, with the columns text and intent."""

    def write(rows: int) -> Path:
        rng = np.random.default_rng(0)
        lines = ["text,intent"]
        for at in range(rows):
            intent = list(NUMBERED_THINGS)[at % 4]
            thing = NUMBERED_THINGS[intent][rng.integers(4)]
            lines.append(f"{NUMBERED_FRAMES[rng.integers(4)].format(thing)} {rng.integers(1000)},{intent}")
        path = tmp_path / "tickets.csv"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write


@pytest.fixture(params=["sqlite", "postgresql"])
def workspace(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """A workspace whose records lie in SQLite, then one whose records lie on a real PostgreSQL server."""
    monkeypatch.delenv("METIER_DATABASE_URL", raising=False)
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        name = f"m{secrets.token_hex(6)}"
        server.run(f"CREATE DATABASE {name}")
        monkeypatch.setenv("METIER_DATABASE_URL", server.url(database=name))
    yield Workspace(tmp_path / "metier")
    if request.param == "postgresql":
        server.run(f"DROP DATABASE {name} WITH (FORCE)")
