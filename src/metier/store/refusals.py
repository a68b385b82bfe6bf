"""What the database of the records refused, in plain words; never with a password in it."""

from __future__ import annotations

import re

from metier.data.sources.addresses import masked, without_secrets
from metier.errors import MetierError, ResourceError

_FULL = re.compile(r"disk is full|no space left|could not extend file", re.IGNORECASE)
_LOCKED = re.compile(r"is locked|lock timeout|deadlock", re.IGNORECASE)
_BROKEN = re.compile(r"malformed|not a database|file is encrypted", re.IGNORECASE)
_FORBIDDEN = re.compile(r"readonly|read-only|permission denied|unable to open database", re.IGNORECASE)


def refusal(error: Exception, address: str) -> MetierError:
    """The driver's error as a ResourceError about the database at `address`."""
    if isinstance(error, MetierError):
        return error
    cause = getattr(error, "orig", None) or error
    said = without_secrets(" ".join(str(cause).split()), address)[:300]
    found = f"{masked(address)}: {said}"
    if _FULL.search(said):
        return ResourceError(
            "disk-full", "The disk of the records must have room.", found=found, fix="Free some space, then try again."
        )
    if _LOCKED.search(said):
        return ResourceError(
            "database-locked",
            "The database of the records must let go within a minute.",
            found=found,
            fix="Stop whatever holds it open (another program's transaction), then try again.",
        )
    if _BROKEN.search(said):
        return ResourceError(
            "database-broken",
            "The database of the records must be whole.",
            found=found,
            fix="Put a backup in its place, then metier verify the workspace: its checkpoints tell what is missing.",
        )
    if _FORBIDDEN.search(said):
        return ResourceError(
            "database-permission",
            "You must be allowed to write the records.",
            found=found,
            fix="Change the file's or the table's owner, or name another database in METIER_DATABASE_URL.",
        )
    return ResourceError(
        "database-unreachable",
        "The database of the records must answer.",
        found=found,
        fix="Check that the server runs and METIER_DATABASE_URL names it; unset it to keep records in the workspace.",
    )
