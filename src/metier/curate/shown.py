"""What a person may see of a row in reports and review files: its text with personal data hidden, and its label."""

from __future__ import annotations

import numpy as np

from metier.curate.material import Material


class Shown:
    """Rows of the training file as a page may show them.

    Texts go through the privacy room whether or not it was asked: `--only labels` must not print card numbers.
    """

    def __init__(self, material: Material) -> None:
        self._material = material

    def text(self, row: int, most: int = 400) -> str:
        """The row's text as its kind of task shows it, personal data hidden, at most `most` characters."""
        material, side = self._material, self._material.train
        at = int(np.searchsorted(side.examples.rows, row))
        if at < len(side.examples) and side.examples.rows[at] == row:
            text = material.task.render(side.examples.inputs, at)
        else:
            cells = side.dataset.table.slice(row, 1).to_pylist()[0]
            told = {name: cell for name, cell in cells.items() if cell is not None and name != self.target}
            text = " · ".join(f"{name}: {cell}" for name, cell in told.items())
        # A little more than is shown is searched: what is cut in two is not recognised any more.
        hidden = hide(text.strip()[: most + 200], material)
        return hidden if len(hidden) <= most else hidden[: most - 1].rstrip() + "…"

    def label(self, row: int) -> str | None:
        """The row's label or number as it stands in the file; None without one."""
        if self.target is None:
            return None
        value = self._material.train.dataset.table.column(self.target)[row].as_py()
        return None if value is None else str(value)

    def hidden(self, text: str) -> str:
        """Any text with personal data masked."""
        return hide(text, self._material)

    @property
    def target(self) -> str | None:
        """The target column's name."""
        return self._material.train.dataset.schema.target


def hide(text: str, material: Material) -> str:
    """The text with all personal data that can be recognised in it masked, but what the plan exempts or keeps."""
    from metier.curate import privacy

    return privacy.masked(text, material.plan.privacy)
