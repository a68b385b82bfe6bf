"""The ledger itself: add acts, read them, export and verify them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metier import files
from metier.errors import RecordError
from metier.govern import signing
from metier.govern.actor import Actor
from metier.govern.ledger import chain, checkpoints, pending
from metier.govern.ledger.chain import Finding
from metier.govern.ledger.entry import FIELDS, Act, Record, first, next_record, parse
from metier.store.records import Store, now, open_store
from metier.workspace import Workspace

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PIECE = 1000
_KEY = "key"


@dataclass
class Turn:
    """One writer's turn: what is done through `connection` and what is added here is kept whole, or not at all."""

    connection: Connection
    actor: Actor
    last: Record | None
    added: list[Record] = field(default_factory=list)

    def add(self, act: Act, actor: Actor | None = None) -> Record:
        """The act's record, at the end of the chain; `actor` where it was somebody else than whose turn it is."""
        who = actor or self.actor
        at = now()
        if self.last is not None and at < self.last.at:
            act = Act(act.act, act.subject, act.reason, {**act.details, "clock_went_back_from": self.last.at}, act.id)
        seq, previous = (1, first()) if self.last is None else (self.last.seq + 1, self.last.link)
        self.last = next_record(act, seq, previous, at, (who.name, who.role))
        self.added.append(self.last)
        return self.last

    def keep(self) -> None:
        """Write what was added into the table, all at once."""
        from metier.store.tables.ledger import ledger

        rows = [{name: getattr(record, name) for name in FIELDS} for record in self.added]
        self.connection.execute(ledger.insert(), rows)


@dataclass(frozen=True)
class Ledger:
    """All acts of a workspace or a team, in order."""

    place: Workspace
    store: Store
    signer: signing.Signer

    @contextmanager
    def turn(self, actor: Actor) -> Iterator[Turn]:
        """Write records and rows of other tables together; the checkpoint is signed when they are kept.

        Writers wait for one another. Raises ResourceError with nothing changed.
        """
        with self.store.write() as connection:
            if self.store.postgres:
                connection.exec_driver_sql("LOCK TABLE ledger IN EXCLUSIVE MODE")
            turn = Turn(connection, actor, _last(connection))
            self._introduce(turn)
            replayed = pending.replay(self.place, turn)
            yield turn
            if turn.added:
                turn.keep()
                checkpoint = checkpoints.sign(turn.added[-1], self.signer)
                checkpoints.intend(self.place, checkpoint)
        for path in replayed:
            path.unlink(missing_ok=True)
        if turn.added:
            checkpoints.keep(self.place, checkpoint)

    def append(self, acts: Sequence[Act], actor: Actor) -> list[Record]:
        """The records of these acts, kept together. Raises ResourceError with nothing changed."""
        with self.turn(actor) as turn:
            return [turn.add(act) for act in acts]

    def records(self, subject: str | None = None, after: int = 0) -> Iterator[Record]:
        """Records in order, in pieces; of one subject where it is named, with or without its kind and version."""
        import sqlalchemy

        from metier.store.tables.ledger import ledger

        while True:
            asked = sqlalchemy.select(ledger).where(ledger.c.seq > after).order_by(ledger.c.seq).limit(_PIECE)
            if subject is not None:
                asked = asked.where(_about(ledger.c.subject, subject))
            with self.store.read() as connection:
                found = [Record(**row) for row in connection.execute(asked).mappings()]
            yield from found
            if len(found) < _PIECE:
                return
            after = found[-1].seq

    def verify(self) -> Finding:
        """Walk the chain and hold it against the checkpoints that lie here."""
        mine = checkpoints.path_of(self.place, self.signer.public)
        marks, notes = [], []
        for path in sorted(checkpoints.folder(self.place).glob("*.jsonl")):
            found, problem = checkpoints.kept(path)
            if problem and path == mine:
                return Finding(False, f"{problem}.", None)
            if any(mark.key != self.signer.public for mark in found):
                notes.append(f"{path.name} holds checkpoints of another key: verify where that key lives, too.")
            marks += [mark for mark in found if mark.key == self.signer.public]
        finding = chain.check(self.records(), marks)
        keys = {record.subject for record in self.records(_KEY)}
        own = f"{_KEY}:{self.signer.fingerprint}"
        if finding.ok and own in keys and not marks:
            return Finding(False, f"The checkpoints are gone: {mine} is missing or empty.", None, finding.records)
        if finding.ok:
            finding = self._tail(finding, max((mark.seq for mark in marks), default=0), alone=keys <= {own})
        return Finding(finding.ok, finding.problem, finding.record, finding.records, (*finding.notes, *notes))

    def _tail(self, finding: Finding, covered: int, *, alone: bool) -> Finding:
        """Records after the last checkpoint: of a process killed just then, of a colleague's key, or put in."""
        rest = list(self.records(after=covered))
        intent = checkpoints.intended(self.place, self.signer.public)
        if not rest or (intent is not None and (intent.seq, intent.link) == (rest[-1].seq, rest[-1].link)):
            return finding
        if alone:
            problem = f"Record {rest[0].seq} ({rest[0].act} {rest[0].subject}) was not written by this workspace."
            return Finding(False, problem, rest[0].seq, finding.records)
        note = f"Records {rest[0].seq} to {rest[-1].seq} were signed elsewhere: verify them where their key lives."
        return Finding(True, records=finding.records, notes=(note,))

    def export(self, path: str | Path) -> dict[str, Any]:
        """Write all records to a file, one a line, a signed checkpoint last; `{"records", "root", "key", "file"}`."""
        last = None
        with files.open_new(path) as file:
            for record in self.records():
                file.write(record.line().encode("ascii") + b"\n")
                last = record
            if last is None:
                raise RecordError(
                    "empty-ledger",
                    "There must be something to export.",
                    found="no record yet",
                    fix="metier tune DATA --target COLUMN writes the first.",
                )
            checkpoint = checkpoints.sign(last, self.signer)
            file.write(files.canonical({"checkpoint": checkpoint.as_json()}) + b"\n")
        key = self.signer.fingerprint
        return {"records": last.seq, "root": last.link, "key": key, "file": str(path)}

    def _introduce(self, turn: Turn) -> None:
        """The first record of every key that signs here, so that its checkpoints can be asked for."""
        mine = checkpoints.path_of(self.place, self.signer.public)
        if mine.exists() and turn.last is not None:
            return
        from metier.store.tables.ledger import ledger

        subject = f"{_KEY}:{self.signer.fingerprint}"
        known = ledger.select().where(ledger.c.act == "signs", ledger.c.subject == subject)
        if turn.last is None or turn.connection.execute(known).first() is None:
            turn.add(Act("signs", subject, "this key signs checkpoints from here on", {"public": self.signer.public}))


def open_ledger(place: Workspace) -> Ledger:
    """The ledger of a workspace. Raises ResourceError, RecordError."""
    store = open_store(place)
    return Ledger(place, store, signing.signer(place))


def verify_file(path: str | Path, trusted: str | None = None) -> Finding:
    """Verify an exported ledger, offline and without a workspace.

    `trusted` is the public key (hexadecimal) or its fingerprint that must have signed; without it the finding's notes
    say whose signature it is.
    """
    with files.guard(path):
        lines = Path(path).read_bytes().split(b"\n")
    records: list[Record] = []
    mark = None
    for number, line in enumerate(lines, start=1):
        if mark is not None:
            if line or number < len(lines):
                return Finding(False, f"Line {number} stands after the checkpoint.", len(records) + 1, len(records))
            break
        try:
            text = line.decode("ascii")
            if text.startswith('{"checkpoint":'):
                mark = checkpoints.parse(json.loads(text)["checkpoint"])
                if files.canonical({"checkpoint": mark.as_json()}) != line:
                    raise ValueError("it is spelt otherwise than metier writes it")
            else:
                records.append(parse(text))
        except ValueError as error:
            broken = chain.check(records, ())
            if not broken.ok:
                return broken
            return Finding(False, f"Line {number} cannot be read: {error}.", number, len(records))
    if mark is None:
        broken = chain.check(records, ())
        problem = broken.problem or "The signed checkpoint at the end is missing: the file was cut."
        return Finding(False, problem, broken.record or len(records) + 1, len(records))
    finding = chain.check(records, (mark,))
    if not finding.ok:
        return finding
    if mark.seq != len(records):
        return Finding(False, f"Record {mark.seq + 1} was added after the signature.", mark.seq + 1, len(records))
    return _signed_by(mark, trusted, finding)


def _signed_by(mark: checkpoints.Checkpoint, trusted: str | None, finding: Finding) -> Finding:
    own = signing.fingerprint(mark.key)
    if trusted is None:
        note = f"Signed by the key {own}: compare it with the one you were told."
        return Finding(True, records=finding.records, notes=(*finding.notes, note))
    if trusted.lower() not in (mark.key, own):
        return Finding(False, f"It was signed by the key {own}, not by {trusted[:16]}.", None, finding.records)
    return finding


def _last(connection: Connection) -> Record | None:
    from metier.store.tables.ledger import ledger

    row = connection.execute(ledger.select().order_by(ledger.c.seq.desc()).limit(1)).mappings().first()
    return None if row is None else Record(**row)


def _about(column: Any, subject: str) -> Any:
    """`banking` finds expert:banking and release:banking@3, `release` all releases, `release:banking@3` itself."""
    import sqlalchemy

    def literal(text: str) -> str:
        return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

    name = literal(subject)
    alike = [column.like(each, escape="\\") for each in (f"{name}:%", f"{name}@%", f"%:{name}", f"%:{name}@%")]
    return sqlalchemy.or_(column == subject, *alike)
