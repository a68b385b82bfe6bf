"""Signatures in the form of the OpenSSF (model signing 1.0), for those who verify models with its tools: an extra."""

from __future__ import annotations

import tempfile
from pathlib import Path

from metier.errors import ResourceError, UsageError


def sign(folder: Path, key: str | Path) -> bytes:
    """The signature (a Sigstore bundle) over an expert's folder by an elliptic-curve key (PEM). Raises UsageError."""
    _wanted()
    import model_signing

    with tempfile.TemporaryDirectory(prefix="metier-sign-") as aside:
        target = Path(aside) / "model.sig"
        try:
            model_signing.signing.Config().use_elliptic_key_signer(private_key=Path(key)).sign(folder, target)
        except (ValueError, TypeError, OSError) as error:
            raise UsageError(
                "bad-openssf-key",
                "--openssf-key is a private key on an elliptic curve (PEM).",
                found=f"{key}: {error}",
                fix="openssl ecparam -name prime256v1 -genkey -noout -out signing.pem",
            ) from error
        return target.read_bytes()


def fault(folder: Path, signature: bytes, key: Path) -> str:
    """Why the signature is not this public key's (PEM) over the folder, or an empty string."""
    _wanted()
    import model_signing

    with tempfile.TemporaryDirectory(prefix="metier-sign-") as aside:
        source = Path(aside) / "model.sig"
        source.write_bytes(signature)
        try:
            model_signing.verifying.Config().use_elliptic_key_verifier(public_key=key).verify(folder, source)
        except Exception as error:  # noqa: BLE001  the library lets through whatever its parsers raise
            return f"the OpenSSF signature does not hold: {type(error).__name__}: {error}"
    return ""


def _wanted() -> None:
    try:
        import model_signing  # noqa: F401
    except ImportError as error:
        raise ResourceError(
            "extra-missing",
            "Signatures in the form of the OpenSSF need an extra.",
            found=str(error),
            fix="pip install 'metier[signing]'",
        ) from error
