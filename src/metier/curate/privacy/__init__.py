"""Whose data is in the text: what is personal, where, and what is done about it.

Importing this package is light: logs can be masked with `mask` where no model is loaded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metier.curate.findings import Answer
    from metier.curate.material import Material
    from metier.plan import PrivacyPlan


def ask(material: Material) -> Answer:
    """Personal data in every column of text of the table and of the test file.

    A finding says which types and how many, never the value; `suggestion` is the cell with everything treated as
    `plan.privacy` says. A column that is nothing but e-mail addresses, say, is a finding of its own (row None).
    Raises UsageError for a type or action that is none, BaseError for a model that finds no names.
    """
    from metier.curate.privacy.question import answer

    return answer(material)


def mask(text: str) -> str:
    """The text with everything personal masked by its type, for logs.

    >>> mask("Mail ada@example.org or call +44 20 7946 0958")
    'Mail [EMAIL] or call [PHONE]'
    """
    from metier.curate.privacy.actions import rewrite
    from metier.curate.privacy.detect import detect

    return rewrite(text, detect(text), {})


def masked(text: str, plan: PrivacyPlan) -> str:
    """The text as a page may show it: all is masked but what the plan exempts or says to keep. Raises UsageError."""
    from metier.curate.privacy.actions import rewrite
    from metier.curate.privacy.detect import detect

    kept, exempt = _shown(plan.privacy, plan.exempt)
    return rewrite(text, [hit for hit in detect(text, exempt) if hit.type not in kept], {})


@lru_cache(maxsize=64)
def _shown(choices: tuple[str, ...], patterns: tuple[str, ...]) -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    from metier.curate.privacy.actions import exemptions, treatments

    kept = frozenset(type_ for type_, action in treatments(choices).items() if action == "keep")
    return kept, exemptions(patterns)
