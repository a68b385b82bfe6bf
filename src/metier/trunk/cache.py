"""Feature vectors on disk, found by the hash of their text: append-only segments that many processes may share."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metier import files

_MAGIC = b"metier features 1\n"
# 16 bytes of a cryptographic hash: numpy sorts and searches the S kind natively.
KEY = np.dtype("S16")


def keys(texts: Iterable[str]) -> np.ndarray:
    """Texts -> their 16-byte BLAKE2b hashes, S16 (n,)."""
    raw = b"".join(hashlib.blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts)
    return np.frombuffer(raw, KEY)


@dataclass(frozen=True)
class _Segment:
    path: Path
    keys: np.ndarray
    start: int  # where the vectors begin, in bytes


class FeatureCache:
    """All vectors of one (base, pooling): a folder of checksummed segments, each written whole or not at all.

    Two processes share a folder without a lock: each writes segments of its own name. A torn or altered segment is
    thrown away when it is opened, and its texts are embedded again. Vectors are read segment by segment, never mapped
    as a whole, so memory stays bounded by one segment beside what is asked for.
    """

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.width = width
        self._segments: list[_Segment] = []
        self._table = np.zeros(0, KEY)
        self._order = np.zeros(0, np.int64)

    def refresh(self) -> None:
        """See what has been written since, by this process or another."""
        known = {segment.path for segment in self._segments}
        for path in sorted(self.folder.glob("*.seg")):
            if path not in known:
                segment = _open(path, self.width)
                if segment is None:
                    path.unlink(missing_ok=True)
                else:
                    self._segments.append(segment)
        every = np.concatenate([segment.keys for segment in self._segments] or [np.zeros(0, KEY)])
        self._order = np.argsort(every, kind="stable")
        self._table = every[self._order]

    def find(self, wanted: np.ndarray) -> np.ndarray:
        """Where each key (S16 (n,)) lies, as int64 (n,) for `gather`; -1 where it is not cached."""
        if not len(self._table):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(self._table, wanted), len(self._table) - 1)
        return np.where(self._table[at] == wanted, self._order[at], -1)

    def gather(self, where: np.ndarray) -> np.ndarray:
        """The vectors found at `where` (int64 (n,), no -1), float16 (n, width)."""
        out = np.empty((len(where), self.width), np.float16)
        order = np.argsort(where, kind="stable")
        ends = np.cumsum([0] + [len(segment.keys) for segment in self._segments])
        cuts = np.searchsorted(where[order], ends)
        for segment, first, low, high in zip(self._segments, ends, cuts, cuts[1:], strict=False):
            if high > low:
                values = np.fromfile(segment.path, np.float16, len(segment.keys) * self.width, offset=segment.start)
                here = order[low:high]
                out[here] = values.reshape(-1, self.width)[where[here] - first]
        return out

    def add(self, new: np.ndarray, values: np.ndarray) -> None:
        """Write one segment: keys S16 (n,) and their vectors, float16 (n, width). Call `refresh` to see it."""
        head = json.dumps({"rows": len(new), "width": self.width}).encode() + b"\n"
        body = _MAGIC + head + new.astype(KEY).tobytes() + np.ascontiguousarray(values, np.float16).tobytes()
        self.folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(
            self.folder / f"{uuid.uuid4().hex}.seg", body + hashlib.blake2b(body, digest_size=16).digest()
        )


def _open(path: Path, width: int) -> _Segment | None:
    """The segment in this file, or None when it is torn, altered or of another width."""
    try:
        with path.open("rb") as file:
            check, left = hashlib.blake2b(digest_size=16), path.stat().st_size - 16
            while left > 0 and (block := file.read(min(left, 1 << 22))):
                check.update(block)
                left -= len(block)
            if left != 0 or file.read() != check.digest():
                return None
            file.seek(len(_MAGIC))
            head = json.loads(file.readline())
            if head["width"] != width:
                return None
            found = np.frombuffer(file.read(int(head["rows"]) * KEY.itemsize), KEY)
            return _Segment(path, found, file.tell())
    except (OSError, ValueError, KeyError):
        return None


def holding(path: Path, wanted: np.ndarray) -> int:
    """How many of these keys (S16 (n,)) a segment's file holds; 0 where it is torn or no segment."""
    opened = _keys_in(path)
    return 0 if opened is None else int(np.isin(opened[1], wanted).sum())


def drop(path: Path, unwanted: np.ndarray) -> int:
    """Write a segment anew without the vectors of these keys; how many are gone. An empty one is removed."""
    opened = _keys_in(path)
    if opened is None:
        return 0
    width, found, start = opened
    gone = np.isin(found, unwanted)
    if gone.all():
        path.unlink(missing_ok=True)
    elif gone.any():
        values = np.fromfile(path, np.float16, len(found) * width, offset=start).reshape(-1, width)
        # Under a new name: readers that have this one open know where its vectors lay.
        FeatureCache(path.parent, width).add(found[~gone], values[~gone])
        path.unlink(missing_ok=True)
    return int(gone.sum())


def _keys_in(path: Path) -> tuple[int, np.ndarray, int] | None:
    """(width, keys, where the vectors begin) of a segment's file."""
    try:
        with path.open("rb") as file:
            if file.readline() != _MAGIC:
                return None
            head = json.loads(file.readline())
            found = np.frombuffer(file.read(int(head["rows"]) * KEY.itemsize), KEY)
            return int(head["width"]), found, file.tell()
    except (OSError, ValueError, KeyError):
        return None
