"""Writing a person's own file without the rows: in its own form, at once, and only when asked for by name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from metier.curate import export
from metier.curate.fates import Change, Fates
from metier.data.read import read
from metier.errors import UsageError
from metier.govern.erasure.subject import Subject
from metier.plan import DataPlan


def rewrite(path: str | Path, subject: Subject) -> int:
    """Write the file anew without the subject's rows, and return how many those were.

    Encoding, quoting and line ends stay. The old content is gone. Raises UsageError for what is no file of rows, or
    where nothing would be left; DataError, ResourceError.
    """
    target = Path(path).expanduser()
    if not target.is_file():
        raise UsageError(
            "no-such-file", "--rewrite names a data file.", found=str(path), fix="Databases are changed where they are."
        )
    with tempfile.TemporaryDirectory(prefix="metier-forget-") as aside:
        dataset = read(target, DataPlan(), Path(aside))
        rows = np.flatnonzero(subject.rows(dataset.table, dataset.schema.named("text")))
        if len(rows) == len(dataset):
            raise UsageError(
                "nothing-left",
                "A file must keep a row.",
                found=f"all rows of {path} go",
                fix="Delete the file instead.",
            )
        if len(rows):
            done = {row: Change(row, "drop", "erased", 1.0, ()) for row in rows.tolist()}
            export.write(dataset, Fates(len(dataset), done, {}, {}), target)
    return len(rows)
