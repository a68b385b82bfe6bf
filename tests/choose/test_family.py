"""Forms of one base are embedded in one pass, and each gets exactly what it would have made itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metier.choose.family import FormTrunk, relate
from metier.trunk.base import find
from metier.trunk.features import Trunk

TEXTS = [f"{frame} {at}" for at in range(10) for frame in ("my card does not work", "a fee", "why the login is wrong")]


@pytest.fixture
def trunks(tiny_base: Path, tmp_path: Path) -> list[FormTrunk]:
    found = [FormTrunk(find(f"{tiny_base}{form}"), tmp_path) for form in ("", ":1", ":3", ":random-2")]
    relate(found)
    return found


def test_each_gets_its_own_features(trunks: list[FormTrunk]) -> None:
    for trunk in trunks:
        np.testing.assert_allclose(
            trunk.features(TEXTS).astype(float), Trunk(trunk.base).features(TEXTS).astype(float), atol=3e-3
        )


def test_one_asks_and_all_that_share_its_layers_have(trunks: list[FormTrunk]) -> None:
    whole, one, three, untrained = trunks
    one.features(TEXTS[:20])
    assert [trunk.missing(TEXTS) for trunk in (whole, one, three)] == [10, 10, 10]
    assert untrained.missing(TEXTS) == 30
    assert one.credit < 0 < three.credit
    assert sum(trunk.credit for trunk in trunks) == pytest.approx(0)


def test_who_has_left_is_embedded_for_no_more(trunks: list[FormTrunk]) -> None:
    whole, one, three, _ = trunks
    whole.leave()
    three.features(TEXTS)
    assert (whole.missing(TEXTS), one.missing(TEXTS)) == (30, 0)


def test_texts_that_only_one_lacks_are_its_own_business(
    trunks: list[FormTrunk], tiny_base: Path, tmp_path: Path
) -> None:
    Trunk(find(str(tiny_base)), tmp_path).features(TEXTS)
    _, one, three, _ = trunks
    three.features(TEXTS)
    assert one.missing(TEXTS) == 0
    np.testing.assert_allclose(
        one.features(TEXTS).astype(float), Trunk(one.base).features(TEXTS).astype(float), atol=3e-3
    )
