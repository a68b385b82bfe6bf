"""LAW: every legal text, standard and guidance that a document follows, with the date or version that was followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Law:
    """A text that is followed: its full name, which state of it ("as of ..."), and what a reader should know of it.

    `primary` is False where the documents were laid out after secondary sources: check the text itself.
    """

    title: str
    state: str
    note: str = ""
    primary: bool = True

    def told(self) -> str:
        """One sentence on what was followed."""
        warning = "" if self.primary else " Followed after secondary sources: check it against the text itself."
        return f"{self.title}, as of {self.state}.{' ' + self.note if self.note else ''}{warning}"


LAW: Mapping[str, Law] = {
    "ai-act": Law(
        "Regulation (EU) 2024/1689 (Artificial Intelligence Act), Annex IV: technical documentation",
        "its publication of 12 July 2024",
        "According to secondary sources, an amendment adopted in June 2026 (the Digital Omnibus on AI) moves the "
        "duties for systems of Annex III to 2 December 2027; check the consolidated text before relying on a date.",
    ),
    "gdpr": Law(
        "Regulation (EU) 2016/679 (General Data Protection Regulation), Article 35(7)",
        "its publication of 4 May 2016 with the corrigendum of 23 May 2018",
        "Whether an assessment is needed at all follows from Article 35(1) and (3) and the lists of the authorities.",
    ),
    "sr-26-2": Law(
        "Guidance on model risk management of the Federal Reserve (SR 26-2), the OCC (Bulletin 2026-13) and the FDIC",
        "17 April 2026",
        "It is reported to replace SR 11-7 and OCC 2011-12, to be based on materiality and not enforceable as such, "
        "and to leave generative and agentic AI out.",
        primary=False,
    ),
    "nist-ai-rmf": Law("NIST AI 100-1, Artificial Intelligence Risk Management Framework 1.0", "January 2023"),
    "iso-42001": Law(
        "ISO/IEC 42001:2023, Annex A: controls, by number and in our own words",
        "its first edition of December 2023",
        "The standard's own wording is not repeated here; the crosswalk is no statement of applicability.",
        primary=False,
    ),
    "model-card": Law(
        "Model cards for model reporting (Mitchell et al. 2019), with the front matter of the Hugging Face hub",
        "the model card metadata of the hub in 2026",
    ),
    "datasheet": Law(
        "Datasheets for datasets (Gebru et al. 2021); Croissant 1.0 and Croissant RAI 1.0 (MLCommons, 2024)",
        "their published versions",
    ),
    "cyclonedx": Law("CycloneDX (ECMA-424), bill of materials", "specification 1.6 of 2024"),
}
