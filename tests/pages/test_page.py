from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import jinja2
import pytest

import metier.pages
from metier.pages.page import render
from metier.tasks.contract import Section

SOURCES = {
    path.stem: path.read_text(encoding="utf-8")
    for path in (Path(metier.pages.__file__).parent / "templates/sections").glob("*.html")
}
TEMPLATES = sorted(SOURCES)
DRAWN = [name for name, source in SOURCES.items() if "charts." in source]
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")


def test_every_template_has_a_sample_and_every_sample_a_template(sections):
    assert sorted(sections) == TEMPLATES
    assert len(TEMPLATES) >= 23


def test_every_template_of_the_architecture_page_exists():
    text = (Path(__file__).parents[2] / "docs/architecture.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(\w+)` \| `\{", text, re.MULTILINE)
    assert len(named) >= 15
    assert set(named) <= set(TEMPLATES)


def test_the_page_points_nowhere_outside_itself(page, outline):
    for namespace in NAMESPACES:
        page = page.replace(namespace, "")
    assert re.findall(r"\w+://|url\(|@import", page) == []
    tags = outline(page).tags
    assert {tag for tag, _ in tags} & {
        "script",
        "link",
        "iframe",
        "img",
        "object",
        "base",
        "form",
        "use",
        "image",
    } == set()
    links = [attrs[name] for _, attrs in tags for name in ("href", "src", "xlink:href", "action") if name in attrs]
    assert links
    assert all(link.startswith("#") for link in links)


def test_links_lead_to_something_and_no_id_is_used_twice(page, outline):
    tags = outline(page).tags
    ids = [attrs["id"] for _, attrs in tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs["href"][1:] for tag, attrs in tags if tag == "a"]
    pointed = [name for _, attrs in tags for name in (attrs.get("aria-labelledby") or "").split()]
    assert len(targets) > 10
    assert set(targets + pointed) <= set(ids)


def test_the_same_data_gives_the_same_bytes_and_few_of_them(page, sections):
    facts = [("Data", "examples/support/tickets.csv"), ("Base", "MiniLM-L6"), ("Seed", "0")]
    again = render("Bank help desk", list(sections.values()), lead="What tuning was worth.", facts=facts)
    assert again == page
    assert len(page.encode()) < 500_000


def test_the_page_reads_well_aloud(page, outline):
    found = outline(page)
    assert [attrs["lang"] for attrs in found.named("html")] == ["en"]
    assert len(found.named("main")) == len(found.named("h1")) == 1
    assert [attrs["class"] for attrs in found.named("a")[:1]] == ["skip"]
    drawings = [attrs for attrs in found.named("svg") if attrs.get("class") == "chart"]
    assert len(drawings) == len(DRAWN) >= 12
    assert all(attrs["role"] == "img" and len(attrs["aria-label"]) > 40 for attrs in drawings)
    assert all(attrs.get("aria-hidden") == "true" for attrs in found.named("svg") if attrs not in drawings)
    assert len(found.named("table")) == len(found.named("caption"))
    assert all(attrs.get("scope") in ("row", "col") or attrs.get("aria-hidden") for attrs in found.named("th"))
    assert len(found.named("figure")) == len(found.named("figcaption")) == len(drawings)


def test_headings_never_skip_a_level(page, outline):
    levels = [int(tag[1]) for tag, _ in outline(page).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_drawings_take_their_colours_from_the_page(page):
    drawings = "".join(re.findall(r"<svg.*?</svg>", page, re.DOTALL))
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', drawings))
    assert len(colours) > 5
    assert {colour for colour in colours if not re.fullmatch(r"none|var\(--[a-z0-9-]+\)", colour)} == set()
    declared = set(re.findall(r"(--[a-z0-9-]+):", page)) | {"--share"}  # given by each shaded word itself
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", page)) <= declared


def test_each_figure_stands_with_its_range_and_its_baseline(sections, outline):
    text = outline(render("x", [sections["scorecard"]])).text
    for words in ("94.5%", "93.6 to 95.4%", "Generic model: 70.1%", "0.214", "0.183 to 0.245"):
        assert words in text


def test_the_ladder_names_what_was_chosen_and_what_was_not_tried(sections, outline):
    text = outline(render("x", [sections["ladder"]])).text
    assert "Adapter (LoRA) chosen 94.5%" in text
    assert "Full tuning not tried – – – Would take about 22 min" in text


def test_sections_stand_in_the_order_given(sections, outline):
    chosen = [sections["facts"], sections["verdict"]]
    found = outline(render("x", chosen))
    assert [attrs["id"] for attrs in found.named("section")] == ["s1-facts", "s2-verdict"]


def test_the_same_template_may_be_used_twice(sections, outline):
    html = render("x", [sections["metrics"], sections["metrics"]])
    ids = [attrs["id"] for _, attrs in outline(html).tags if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_a_missing_value_is_refused_and_an_unknown_template_too():
    with pytest.raises(jinja2.UndefinedError):
        render("x", [Section("verdict", "Verdict", {"sentences": []})])
    with pytest.raises(jinja2.TemplateNotFound):
        render("x", [Section("nonsense", "Nonsense", {})])


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _mixed(colour: str, paper: str, share: float) -> str:
    parts = [(int(colour[i : i + 2], 16), int(paper[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * over + (1 - share) * under):02x}" for over, under in parts)


@pytest.mark.parametrize("scheme", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_has_a_contrast_of_four_and_a_half(page, scheme):
    blocks = [block for block in re.findall(r":root \{(.*?)\}", page, re.DOTALL) if "--paper: #" in block]
    assert len(blocks) == 3
    color = dict(re.findall(r"(--[a-z-]+): (#[0-9a-f]{6})", blocks[scheme]))
    for ground in ("--paper", "--panel", "--accent-soft"):
        for text in ("--ink", "--muted", "--accent", "--trouble-ink"):
            assert _contrast(color[text], color[ground]) >= 4.5, (text, ground)
    assert _contrast(color["--on-accent"], color["--accent"]) >= 4.5
    assert _contrast(color["--trouble"], color["--paper"]) >= 3
    from metier.pages.answers import _RIGHT_STEPS, _WRONG_STEPS

    for name, opacities in (("--accent", _RIGHT_STEPS), ("--trouble", _WRONG_STEPS)):
        for share in opacities:
            text = "--muted" if share < 0.1 else "--on-accent" if share > 0.6 else "--ink"
            assert _contrast(color[text], _mixed(color[name], color["--paper"], share)) >= 4.5, (name, share)
