"""The bundled example data: where it lies, in the repository or inside the installed package; what is asked of it."""

from __future__ import annotations

from pathlib import Path

from metier.errors import DataError

_PACKAGE = Path(__file__).parent
# A checkout comes first: there the examples can be made anew. A wheel carries copies under `_examples`.
_CHECKOUT = _PACKAGE.parents[1]

# What a customer might say next; the demo's expert answers it.
SPOKEN = (
    "my wallet is gone and the card was in it, please stop it",
    "you took money from my account twice for the same coffee",
    "the app says the code is wrong and now it won't let me in",
)


def path(name: str) -> Path:
    """The file or folder of an example, such as `support/tickets.csv`. Raises DataError when it is not there.

    >>> path("support/tickets.csv").name
    'tickets.csv'
    """
    for folder in _folders():
        found = folder / name
        if found.exists():
            return found
    known = sorted({f"{file.parent.name}/{file.name}" for folder in _folders() for file in folder.glob("*/*.csv")})
    raise DataError(
        "no-such-example",
        "An example must be one that comes with metier.",
        found=f"{name}; there are {', '.join(known)}" if known else f"{name}; this installation carries no examples",
        fix="Name one of those." if known else "Install metier again from a wheel or a checkout.",
    )


def _folders() -> list[Path]:
    checkout = [_CHECKOUT / "examples"] if (_CHECKOUT / "pyproject.toml").is_file() else []
    return [folder for folder in (*checkout, _PACKAGE / "_examples") if folder.is_dir()]
