"""The server: its parts put together, started, watched over while it runs, and closed without losing anything."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from metier import files
from metier.errors import ResourceError, UsageError
from metier.govern.actor import Actor, who
from metier.govern.ledger.note import note
from metier.plan import Plan
from metier.serve import journal, opening
from metier.serve.access.denials import Denials
from metier.serve.access.gate import Gate, check_host
from metier.serve.access.rates import Rates
from metier.serve.access.tokens import provider
from metier.serve.app import application
from metier.serve.connection import PatientProtocol
from metier.serve.engine.batcher import Batcher
from metier.serve.engine.engine import Engine
from metier.serve.follow import Follower
from metier.serve.journal import say
from metier.serve.log.book import Book
from metier.serve.log.drain import Drain
from metier.serve.log.entry import Policy
from metier.serve.log.sealing import sealer
from metier.serve.log.spool import Spool
from metier.serve.metrics import Metrics
from metier.serve.operations import noted
from metier.serve.service import Service
from metier.serve.traffic import Traffic, Version
from metier.store.records import Store, open_store
from metier.workspace import Workspace

_KEYS_EVERY = 2.0  # seconds between two looks at the keys' rows
_DENIALS_EVERY = 20.0
_SETTLE_EVERY = 5.0
_HEAD = 16 * 1024  # bytes of a request's first lines and headers
_BACKLOG = 512
_KEEP_ALIVE = 20  # seconds a connection may be idle between requests
_SWITCH = 0.0005  # seconds


@dataclass(frozen=True)
class Asked:
    """What is to be served: versions in folders or pinned, names that follow the registry, or everything live."""

    fixed: tuple[Version, ...]
    names: frozenset[str]
    everything: bool


def serve(references: Sequence[str], plan: Plan, place: Workspace, told: Callable[[dict[str, Any]], None]) -> None:
    """Serve until stopped by SIGINT or SIGTERM. `told` is called once requests are taken, with address and experts.

    Raises MetierError where the server can't be started.
    """
    asked = _asked(references, place)
    context = _tls(plan)
    listening = _listening(plan)
    with listening:
        store = open_store(place)
        try:
            service = _service(plan, place, store)
            check_host(plan.serve.host, service.gate)
            _begin(service, asked)
            journal.start()
            _run(service, asked, listening, context, told)
        finally:
            store.close()


def _asked(references: Sequence[str], place: Workspace) -> Asked:
    fixed, names = [], set()
    for reference in references:
        if opening.is_folder(reference):
            fixed.append(opening.from_folder(reference, place=place))
        elif "@" in reference:
            fixed.append(opening.from_registry(reference, place))
        else:
            names.add(opening.from_registry(reference, place, stages=("live",)).name)
    every = [version.name for version in fixed] + sorted(names)
    twice = {name for name in every if every.count(name) > 1}
    if twice:
        raise UsageError(
            "name-twice",
            "Each expert is served under a name of its own.",
            found=", ".join(sorted(twice)),
            fix="Give a folder another name: NAME=FOLDER. Two versions of one: /v1/admin/experts/NAME/canary.",
        )
    return Asked(tuple(fixed), frozenset(names), not references)


def _service(plan: Plan, place: Workspace, store: Store) -> Service:
    denials = Denials(place)
    sign_on = plan.sign_on
    gate = Gate(
        store,
        denials,
        Rates(plan.request.rate),
        provider(sign_on.oidc_issuer, sign_on.oidc_audience, sign_on.oidc_jwks),
    )
    gate.refresh()
    kept = plan.prediction_log
    policy = Policy(kept.log_inputs, sealer())
    spool = Spool(place, kept.spool_mib << 20)
    drain = Drain(place, store, spool, kept.keep_days)
    engine = Engine(place.cache, plan.serve.max_loaded, plan.serve.memory_mib, summaries=True)
    batcher = Batcher(
        engine, budget_ms=plan.serve.budget_ms, most_rows=plan.request.waiting_rows, timeout=plan.request.answer_seconds
    )
    book = Book(spool, drain, policy, kept.log_failure)
    service = Service(plan, place, engine, batcher, Traffic(), gate, denials, book, Metrics())
    service.metrics.watch(lambda: gauges(service))
    return service


def _begin(service: Service, asked: Asked) -> None:
    """Load what was asked for, before the first request."""
    service.folders = tuple(version.folder for version in asked.fixed)
    for version in asked.fixed:
        opening.load(service.engine, version)
        service.traffic.promote(version)
    asyncio.run(Follower(service, asked.names, asked.everything).once())
    missing = asked.names - set(service.traffic.routes())
    if missing or (asked.everything and not service.traffic.routes()):
        raise UsageError(
            "nothing-to-serve",
            "There must be an expert to serve.",
            found=f"{', '.join(sorted(missing))} could not be loaded" if missing else "no release is live",
            fix="Name an expert's folder: metier serve EXPERT; or make one live: metier release, metier approve.",
        )


def _run(
    service: Service,
    asked: Asked,
    listening: socket.socket,
    context: ssl.SSLContext | None,
    told: Callable[[dict[str, Any]], None],
) -> None:
    """uvicorn, with our protocol and nothing of its own on any page."""
    plan = service.plan
    follower = Follower(service, asked.names, asked.everything)
    limits = plan.request
    protocol = type("Protocol", (PatientProtocol,), {"head_seconds": limits.read_seconds, "most": limits.connections})
    host, port = listening.getsockname()[:2]
    scheme = "http" if context is None else "https"
    about = {
        "url": f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}",
        "experts": {name: route.live.version for name, route in sorted(service.traffic.routes().items())},
        "keys": service.gate.closed,
    }
    app = application(service, alive=lambda: _alive(service, follower, lambda: told(about)))
    config = uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        h11_max_incomplete_event_size=_HEAD,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(plan.serve.closing_seconds)),
        ssl_context_factory=None if context is None else lambda *_: context,
    )
    actor = who()
    _note(service, "served", actor, url=about["url"])
    # Who answers requests waits no longer than this for the engine's thread to let Python go.
    sys.setswitchinterval(_SWITCH)
    try:
        _Server(config, service).run(sockets=[listening])
    finally:
        service.denials.flush(all_=True)
        _note(service, "stopped", actor)


class _Server(uvicorn.Server):
    """uvicorn's server, which tells the service first that it closes, and ends well when it was asked to end."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.closing = True
        await super().shutdown(sockets)
        # uvicorn would raise the signal once more, which ends the process before the ledger is told.
        self._captured_signals.clear()


@asynccontextmanager
async def _alive(service: Service, follower: Follower, told: Callable[[], None]) -> AsyncIterator[None]:
    """What goes on beside the requests."""
    service.book.drain.start()
    stop = threading.Event()
    # Threads of their own: a database that hangs must hold up neither requests nor each other.
    for every, work in ((_KEYS_EVERY, service.gate.refresh), (_DENIALS_EVERY, service.denials.flush)):
        threading.Thread(target=_repeat, args=(stop, every, work), name="metier-watch", daemon=True).start()
    tasks = [
        asyncio.create_task(_again(service.plan.serve.follow_seconds, follower.once)),
        asyncio.create_task(_again(_SETTLE_EVERY, service.settle)),
    ]
    told()
    try:
        yield
    finally:
        stop.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await service.close(service.plan.serve.closing_seconds)


def _repeat(stop: threading.Event, every: float, work: Callable[[], object]) -> None:
    while not stop.wait(every):
        try:
            work()
        except Exception as error:  # noqa: BLE001  the watch goes on; whatever failed is tried again
            say("could not be done now", what=getattr(work, "__name__", ""), error=error)


async def _again(every: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(every)
        try:
            await work()
        except Exception as error:  # noqa: BLE001  as above
            say("could not be done now", what=getattr(work, "__name__", ""), error=error)


def gauges(service: Service) -> dict[str, float]:
    """Numbers as they are now, for metrics."""
    drain = service.book.drain
    return {
        **{f"engine_{name}": float(value) for name, value in service.batcher.facts().items()},
        "experts_loaded": float(len(service.engine.loaded())),
        "log_waiting_bytes": float(service.book.spool.waiting),
        "log_rows_written": float(drain.rows),
        "log_rows_rejected": float(drain.rejected),
        "log_rows_lost": float(service.book.lost),
        "log_lines_broken": float(drain.broken),
        "log_database_failing": float(drain.failing),
        "log_disk_failing": float(service.book.full),
    }


def _note(service: Service, act: str, actor: Actor, **details: Any) -> None:
    acts = [noted(route.live, act, **details) for route in service.traffic.routes().values()]
    if acts:
        with suppress(ResourceError):
            note(service.place, *acts, actor=actor)


def _listening(plan: Plan) -> socket.socket:
    """The socket, bound before anything is loaded. Raises UsageError, ResourceError."""
    host, port = plan.serve.host, plan.serve.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise UsageError(
            "bad-host",
            "The address to listen at must be one of this machine.",
            found=f"{host}: {error}",
            fix="--host 127.0.0.1 is this machine alone, --host 0.0.0.0 all its networks.",
        ) from error
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(_BACKLOG)
    except OSError as error:
        found.close()
        raise ResourceError(
            "port-in-use",
            "The port must be free and allowed.",
            found=f"{host}:{port}: {error.strerror}",
            fix="Choose another: --port N; 0 takes a free one.",
        ) from error
    return found


def _tls(plan: Plan) -> ssl.SSLContext | None:
    """The certificate as the choices name it, None for plain HTTP. Raises UsageError."""
    cert, key, authority = plan.serve.tls_cert, plan.serve.tls_key, plan.serve.tls_client_ca
    if not cert and not key and not authority:
        return None
    if not cert or not key:
        raise UsageError(
            "tls-incomplete",
            "https needs a certificate and its key.",
            found="one of them alone",
            fix="Give --tls-cert and --tls-key.",
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        for path in filter(None, (cert, key, authority)):
            with files.guard(path):
                Path(path).read_bytes()
        context.load_cert_chain(cert, key, password=lambda: b"")
        if authority:
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            "bad-tls",
            "The certificate, its key and the authority must be PEM files that belong together.",
            found=str(error)[:200],
            fix="Check them with openssl x509 -in CERT -noout -text; give a key without passphrase.",
        ) from error
    return context
