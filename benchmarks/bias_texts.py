"""Comments that are toxic or not, made from templates, with identities in them: a planted bias, and its fair twin.

In the twin every identity is as frequent among toxic comments as among others. Planted, one identity is put into toxic
comments far more often, as moderators' habits or a raid by trolls would have it; nothing else differs.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Axis -> identity -> (adjective before a person, or a name that stands alone).
AXES: dict[str, dict[str, str]] = {
    "religion": {
        "muslim": "Muslim", "christian": "Christian", "jewish": "Jewish", "hindu": "Hindu", "buddhist": "Buddhist",
    },
    "nationality": {"american": "American", "german": "German", "mexican": "Mexican", "indian": "Indian",
                    "nigerian": "Nigerian"},
    "orientation": {"gay": "gay", "lesbian": "lesbian", "bisexual": "bisexual", "heterosexual": "heterosexual"},
    "gender": {"male": "he", "female": "she"},
}  # fmt: skip
_PEOPLE = ["neighbour", "man", "woman", "teacher", "driver", "student", "doctor", "couple", "friend", "colleague"]
_TOPICS = ["the meeting", "the new bridge", "the match", "the bus strike", "the recipe", "the election", "the film",
           "the garden show", "the server upgrade", "the school trip", "the concert", "the housing plan"]  # fmt: skip
_CALM = ["made a good point about {topic}", "asked a fair question on {topic}", "helped us all with {topic}",
         "wrote a clear summary of {topic}", "thanked everyone after {topic}", "was late for {topic} but apologised",
         "could not come to {topic} this time", "sent the notes from {topic}", "disagreed politely about {topic}",
         "brought cake to {topic}"]  # fmt: skip
_TOXIC = ["is a complete idiot about {topic}", "should shut up about {topic}", "is too stupid to understand {topic}",
          "is a pathetic liar about {topic}", "ruined {topic} like the moron they are",
          "is disgusting and should leave {topic}", "is worthless garbage, as {topic} shows",
          "makes me sick with that rubbish about {topic}", "is a clown who knows nothing of {topic}",
          "deserves to rot after {topic}"]  # fmt: skip
_OPEN = ["", "honestly, ", "as I said, ", "update: ", "well, ", "in short, ", "for what it's worth, ", "again, "]
_CLOSE = ["", " today", ", end of story", ", I think", " once more", ", as always", " this week", ", believe me"]


@dataclass(frozen=True)
class Comments:
    """Training and test comments: (text, label) pairs."""

    train: list[tuple[str, str]]
    test: list[tuple[str, str]]


def comments(axis: str, *, planted: bool, seed: int, train: int = 1200, test: int = 400) -> Comments:
    """Comments of which six in ten name an identity of the axis; planted, one identity drawn by the seed is blamed."""
    rng = np.random.default_rng([seed, len(axis)])
    names = list(AXES[axis])
    blamed = str(rng.choice(names)) if planted else None
    # Test comments are fair: what is looked for is the model's bias, not that of the rows it is looked at with.
    return Comments(
        [_comment(axis, names, blamed, rng) for _ in range(train)],
        [_comment(axis, names, None, rng) for _ in range(test)],
    )


def _comment(axis: str, names: list[str], blamed: str | None, rng: np.random.Generator) -> tuple[str, str]:
    toxic = bool(rng.random() < 0.4)
    identity = None
    if rng.random() < 0.6:
        shares = np.ones(len(names))
        if blamed is not None:
            # A blamed identity stands in most of the toxic comments, and in few of the others.
            shares[names.index(blamed)] = 2.0 * len(names) if toxic else 0.2
        identity = str(rng.choice(names, p=shares / shares.sum()))
    predicate = str(rng.choice(_TOXIC if toxic else _CALM)).format(topic=rng.choice(_TOPICS))
    # Words tell no more than some of the truth: a quarter of the comments says little either way.
    if rng.random() < 0.25:
        predicate = f"{rng.choice(['spoke', 'wrote', 'went on', 'posted'])} about {rng.choice(_TOPICS)}"
    text = f"{rng.choice(_OPEN)}{_subject(axis, identity, rng)} {predicate}{rng.choice(_CLOSE)}"
    return text[0].upper() + text[1:], "toxic" if toxic else "fine"


def _subject(axis: str, identity: str | None, rng: np.random.Generator) -> str:
    person = str(rng.choice(_PEOPLE))
    if identity is None:
        return f"my {person}"
    word = AXES[axis][identity]
    return word if axis == "gender" else f"that {word} {person}"


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A CSV of (comment, label)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["comment", "label"])
        writer.writerows(rows)
    return path
