"""The Plan's sections about serving: where the server listens, what a request may ask, what is kept of answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from metier.plan_section import Section


class ServePlan(Section):
    """Where `metier serve` listens, and what it may take of the machine."""

    host: str = Field("127.0.0.1", description="The address to listen at; one that others can reach needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="The port to listen at; 0 takes a free one.")
    tls_cert: str | None = Field(None, description="The server's certificate (PEM, with its chain), for https.")
    tls_key: str | None = Field(None, description="The certificate's private key (PEM).")
    tls_client_ca: str | None = Field(None, description="Only clients with a certificate of this authority (PEM).")
    max_loaded: int | None = Field(None, ge=1, description="At most so many experts loaded at a time.")
    memory_mib: int | None = Field(None, ge=1, description="Memory for experts and their bases, in MiB.")
    budget_ms: float = Field(2.0, ge=0, le=1000, description="How long a request waits for company, in milliseconds.")
    follow_seconds: float = Field(3.0, gt=0, description="How often the registry is asked what is live, in seconds.")
    closing_seconds: float = Field(
        30.0, ge=0, description="How long what was accepted may take when the server is stopped, in seconds."
    )


class RequestPlan(Section):
    """What one request to `metier serve` may ask, and how long it may take."""

    max_rows: int = Field(1024, ge=1, description="Rows in one request.")
    max_characters: int = Field(20_000, ge=1, description="Characters in one row.")
    max_body_kib: int = Field(2048, ge=1, description="Size of one request, in KiB.")
    read_seconds: float = Field(10.0, gt=0, description="How long a client may take to send its request, in seconds.")
    answer_seconds: float = Field(30.0, gt=0, description="How long an answer may take, in seconds.")
    waiting_rows: int = Field(2048, ge=1, description="Rows that may wait; then clients are told to come again.")
    connections: int = Field(512, ge=1, description="Connections open at a time.")
    rate: float | None = Field(None, gt=0, description="Requests a second from one caller; a key may have its own.")


class PredictionLogPlan(Section):
    """What `metier serve` keeps of its answers."""

    log_inputs: Literal["hash", "text", "masked", "none"] = Field(
        "hash", description="What is kept of each input: its hash, its text, the text with personal data masked."
    )
    log_failure: Literal["refuse", "serve"] = Field(
        "refuse", description="What happens to an answer that cannot be kept, as on a full disk."
    )
    spool_mib: int = Field(1024, ge=1, description="Disk for answers whose database is away, in MiB.")
    keep_days: int | None = Field(None, ge=1, description="Delete answers and truths after so many days.")
    access_log: bool = Field(False, description="A line on stderr for every request.")


class SignOnPlan(Section):
    """Single sign-on for `metier serve`: tokens of an OpenID provider beside keys (an extra: oidc)."""

    oidc_issuer: str | None = Field(None, description="The provider, as its tokens name it (iss).")
    oidc_audience: str | None = Field(None, description="Whom its tokens must be for (aud).")
    oidc_jwks: str | None = Field(None, description="Its keys (JWKS): a file, or an https address that is then asked.")
