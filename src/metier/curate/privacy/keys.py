"""The secret that pseudonyms are made with: from the environment, or a file in the workspace that only its owner reads.

It is never written into a record: who has the records and the pseudonyms, but not the key, cannot go back.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from metier import files
from metier.errors import UsageError

VARIABLE = "METIER_PSEUDONYM_KEY"
FILE = "pseudonym.key"
_SHORTEST = 16


def pseudonym_key(workspace: Path) -> bytes:
    """The key of METIER_PSEUDONYM_KEY, else of `pseudonym.key` in the workspace, which is made when it is missing.

    Raises UsageError for a key too short to be a secret, ResourceError where the file can't be read or made.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        return _checked(given.strip(), VARIABLE)
    path = workspace / FILE
    with files.guard(path):
        if not path.exists():
            _make(path)
        return _checked(path.read_text(encoding="utf-8").strip(), str(path))


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written whole under another name and linked into place: two processes that start at once agree on one key.
    temporary = path.with_name(f"{files.TEMPORARY}{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return
        except OSError:  # a file system without links
            if not path.exists():
                temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _checked(key: str, where: str) -> bytes:
    if len(key) < _SHORTEST:
        raise UsageError(
            "weak-key",
            f"The key of pseudonyms must have {_SHORTEST} characters or more: shorter ones can be guessed.",
            found=f"{len(key)} characters in {where}",
            fix=f"Set {VARIABLE} to a long random text, or unset it: metier then makes one in the workspace.",
        )
    return key.encode("utf-8")
