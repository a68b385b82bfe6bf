"""Every error a user can meet, in one tree; each says what must hold, what was found and what to type next.

MetierError
├── UsageError        the command or the plan asks for something that cannot be
├── DataError         the table, its columns or its labels
├── BaseError         the pre-trained model
├── ExpertError       a tuned expert's folder
├── RecordError       a run's evidence does not agree with itself
├── ResourceError     disk, memory, permissions
└── Interrupted       the user stopped the run; it can be resumed
"""

from __future__ import annotations


class MetierError(Exception):
    """A clear error: `problem` says what must hold, `found` what was there, `fix` what to do next.

    `code` is a short stable word for programs, such as `empty-file` or `no-such-column`.
    """

    def __init__(self, code: str, problem: str, *, found: str = "", fix: str = "") -> None:
        super().__init__(code, problem, found, fix)
        self.code = code
        self.problem = problem
        self.found = found
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.problem]
        if self.found:
            parts.append(f"Found: {self.found}")
        if self.fix:
            parts.append(f"Next: {self.fix}")
        return "\n".join(parts)

    def as_json(self) -> dict[str, dict[str, str]]:
        """The shape every command and route answers an error with."""
        return {"error": {"code": self.code, "problem": self.problem, "found": self.found, "fix": self.fix}}


class UsageError(MetierError):
    """The command or the plan asks for something that cannot be."""


class DataError(MetierError):
    """The table, its columns or its labels are not what the work needs."""


class BaseError(MetierError):
    """The pre-trained model is missing, altered or of a form that is refused."""


class ExpertError(MetierError):
    """The expert's folder is missing, incomplete or altered."""


class RecordError(MetierError):
    """The evidence of a run does not agree with itself."""


class ResourceError(MetierError):
    """The machine said no: disk, memory or permission."""


class Interrupted(MetierError):  # noqa: N818  not an error of anybody's
    """The user stopped the run; what was done is kept."""
