"""Single sign-on: what a provider signed is taken, and nothing that only looks like it."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

jwt = pytest.importorskip("jwt", reason="the extra metier[oidc] is not installed")

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402

from metier.errors import UsageError  # noqa: E402
from metier.serve.access.tokens import Provider, grants, provider  # noqa: E402
from metier.serve.problems import Refused  # noqa: E402

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
ISSUER, AUDIENCE = "https://id.example", "metier"


def jwks(path: Path, **keys: Ed25519PrivateKey) -> Path:
    def number(key: Ed25519PrivateKey) -> str:
        return base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()

    listed = [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": number(key)} for kid, key in keys.items()]
    path.write_text(json.dumps({"keys": listed}))
    return path


@pytest.fixture
def sign_on(tmp_path: Path) -> Provider:
    found = provider(ISSUER, AUDIENCE, str(jwks(tmp_path / "jwks.json", one=KEY)))
    assert found is not None
    return found


def token(key: Any = KEY, algorithm: str = "EdDSA", kid: str = "one", **claims: Any) -> str:
    content = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada@example.org", "exp": time.time() + 600,
               "scope": "openid metier:predict:banking", **claims}  # fmt: skip
    return jwt.encode(
        {name: value for name, value in content.items() if value is not None}, key, algorithm, {"kid": kid}
    )


def test_a_genuine_token_lets_in_and_its_subject_is_not_named(sign_on: Provider) -> None:
    caller = sign_on.caller(token())
    assert caller.may("predict", "banking")
    assert not caller.may("predict", "loans")
    assert "ada" not in caller.name
    assert caller.name == sign_on.caller(token(scope="metier:feedback")).name


@pytest.mark.parametrize(
    "bad",
    [
        token(key=OTHER),
        token(kid="two"),
        token(aud="others"),
        token(iss="https://evil.example"),
        token(exp=time.time() - 60),
        token(exp=None),
        token(sub=None),
        token(nbf=time.time() + 600),
        jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": 9e9}, "", "none", {"kid": "one"}),
        token(key="a shared secret that is long enough for it", algorithm="HS256"),
        "eyJ.eyJ.x",
        "nonsense",
    ],
)
def test_whatever_is_not_genuine_is_refused(sign_on: Provider, bad: str) -> None:
    with pytest.raises(Refused) as error:
        sign_on.caller(bad)
    assert (error.value.status, error.value.code) == (401, "bad-token")
    assert bad not in str(error.value)


def test_a_key_that_the_provider_adds_is_found(sign_on: Provider, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        sign_on.caller(token(OTHER, kid="two"))
    jwks(tmp_path / "jwks.json", one=KEY, two=OTHER)
    sign_on._read -= 120
    assert sign_on.caller(token(OTHER, kid="two")).may("predict", "banking")


def test_what_claims_grant() -> None:
    assert grants({"roles": ["metier:operator", "other:admin", "metier:king", 7]}) == {("operator", None)}
    assert grants({"scope": {"a": 1}}) == frozenset()
    assert grants({}) == frozenset()


def test_incomplete_or_odd_choices_are_told(tmp_path: Path) -> None:
    assert provider(None, None, None) is None
    with pytest.raises(UsageError, match="issuer, the audience and the keys"):
        provider(ISSUER, None, None)
    (tmp_path / "no.json").write_text("[]")
    for where in (str(tmp_path / "no.json"), "http://id.example/jwks"):
        with pytest.raises(UsageError) as error:
            provider(ISSUER, AUDIENCE, where)
        assert error.value.code == "bad-jwks"
