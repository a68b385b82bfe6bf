"""What the cache spared is counted, once for each text, and nothing that was really done."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from metier.compare.counted import Counted
from metier.trunk.base import find
from metier.trunk.features import Trunk

TEXTS = ["my card does not work", "a fee", "why is the login like this"]


def test_only_texts_that_lay_in_the_cache_are_charged_and_each_once(tiny_base: Path, tmp_path: Path) -> None:
    trunk = Trunk(find(str(tiny_base)), tmp_path)
    first = Counted(trunk)
    fresh = first.features(TEXTS)
    assert first.spared_seconds == 0
    second = Counted(trunk)
    np.testing.assert_array_equal(second.features(TEXTS), fresh)
    assert second.spared_tokens == trunk.tokens(TEXTS).lengths.sum()
    second.features(TEXTS[:2])
    assert second.spared_tokens == trunk.tokens(TEXTS).lengths.sum()
    assert second.spared_seconds == second.spared_tokens / trunk.speed()


def test_the_model_is_loaded_once_for_all(tiny_base: Path, tmp_path: Path) -> None:
    trunk = Trunk(find(str(tiny_base)), tmp_path)
    assert Counted(trunk).model is trunk.model is Counted(trunk).model
