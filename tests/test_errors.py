"""One tree of errors, one shape for all of them, and each place that raises one gives the parts it must."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from metier import errors
from metier.errors import DataError, MetierError

PACKAGE = Path(errors.__file__).parent
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MetierError)]


def raised() -> list[tuple[str, ast.Call]]:
    """(file:line, call) of every place in the package that makes one of our errors."""
    names = {kind.__name__ for kind in KINDS}
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                found.append((f"{path.relative_to(PACKAGE)}:{node.lineno}", node))
    return found


def test_an_error_says_what_must_hold_what_was_found_and_what_is_next() -> None:
    error = DataError("empty-file", "A file must hold rows.", found="0 bytes", fix="Give another file.")
    assert str(error) == "A file must hold rows.\nFound: 0 bytes\nNext: Give another file."
    assert str(DataError("x", "It must be so.")) == "It must be so."


def test_an_error_has_one_shape_in_json() -> None:
    error = DataError("empty-file", "A file must hold rows.", found="0 bytes", fix="Give another file.")
    assert error.as_json() == {
        "error": {
            "code": "empty-file",
            "problem": "A file must hold rows.",
            "found": "0 bytes",
            "fix": "Give another file.",
        }
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_caught_as_one_and_drawn_in_the_tree(kind: type[MetierError]) -> None:
    with pytest.raises(MetierError):
        raise kind("code", "Something must hold.")
    assert errors.__doc__ is not None
    assert kind.__name__ in errors.__doc__


def test_every_error_of_the_package_has_a_code_and_says_what_was_found() -> None:
    places = raised()
    assert len(places) > 60
    for where, call in places:
        given = {word.arg for word in call.keywords}
        assert len(call.args) >= 2, where
        assert "found" in given, f"{where} does not say what was found"


def test_codes_are_words_with_hyphens() -> None:
    codes = {
        call.args[0].value: where
        for where, call in raised()
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    }
    assert len(codes) > 50
    for code, where in codes.items():
        assert code == code.lower(), where
        assert code.replace("-", "").isalnum(), where
