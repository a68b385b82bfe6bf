"""The form of a packed expert: a zip whose entries are stored as they are, in one spelling, with a signed list first.

    metier-pack.json   {"format", "name", "expert", "base", "files": [{"path", "sha256", "bytes"}], "key", "signature"}
    base/...           the base's files, where it was packed with
    expert/...         the expert's folder
    openssf/model.sig  a second signature, in the form of the OpenSSF, where it was asked for

The same expert and key give the same bytes (an OpenSSF signature is drawn anew each time).
"""

from __future__ import annotations

import re
import struct
import zipfile
from pathlib import PurePosixPath
from typing import IO

FORMAT = "metier-pack-1"
LIST = "metier-pack.json"
OPENSSF = "openssf/model.sig"
EXPERT, BASE = "expert", "base"
# A zip without the extensions for larger ones ends here.
MOST_BYTES, MOST_FILES = 0xFFFFFFFE, 0xFFFE
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s4B4H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\:*?\"<>|]")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def entry(name: str, size: int = 0) -> zipfile.ZipInfo:
    """The one way in which an entry is written."""
    info = zipfile.ZipInfo(name, _DATE)
    info.create_system, info.external_attr, info.compress_type = 3, _MODE, zipfile.ZIP_STORED
    info.file_size = info.compress_size = size
    return info


def name_fault(name: str) -> str:
    """Why a name may not stand in a pack, or an empty string.

    It must be a plain relative path that every system reads alike and that leads nowhere else.
    """
    if not name or len(name.encode("utf-8", "surrogatepass")) > 1024:
        return "it is empty or too long"
    if name.startswith("/") or PurePosixPath(name).is_absolute():
        return "it is an absolute path"
    if _FORBIDDEN.search(name):
        return "it holds a character that not every system takes"
    parts = name.split("/")
    if any(part in ("", ".", "..") for part in parts):
        return "it leads out of its folder"
    if any(_DEVICES.fullmatch(part) or part.endswith((".", " ")) for part in parts):
        return "a system keeps it for something else"
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "it is no text"
    if parts[0] not in (EXPERT, BASE) and name not in (LIST, OPENSSF):
        return "a pack holds expert/ and base/ alone"
    return ""


def layout_fault(file: IO[bytes], infos: list[zipfile.ZipInfo], start: int) -> tuple[str, str]:
    """(name, problem) of the first entry that is not written in the one way, or ("", "").

    Together with the content's hashes this covers every byte of the file: nothing stands before, between or behind.
    """
    seen: set[str] = set()
    at = 0
    directory = []
    for info in infos:
        fault = name_fault(info.filename)
        if fault:
            return info.filename, fault
        if info.filename.lower() in seen:
            return info.filename, "it stands in the file twice"
        seen.add(info.filename.lower())
        if (info.external_attr >> 16) & 0o170000 not in (0, 0o100000):
            return info.filename, "it is a link, or no file"
        if info.compress_type != zipfile.ZIP_STORED:
            return info.filename, "it is compressed, and packs store files as they are"
        wanted = entry(info.filename, info.file_size)
        wanted.CRC, wanted.header_offset = info.CRC, at
        header = wanted.FileHeader(zip64=False)
        file.seek(at)
        if file.read(len(header)) != header:
            return info.filename, "its header was altered"
        directory.append(_described(wanted, header))
        at += len(header) + info.file_size
    if start != at:
        return LIST, "something stands between the entries"
    file.seek(at)
    for info, described in zip(infos, directory, strict=True):
        if file.read(len(described)) != described:
            return info.filename, "its description was altered"
    end = _END.pack(b"PK\5\6", 0, 0, len(infos), len(infos), sum(map(len, directory)), at, 0)
    if file.read() != end:
        return LIST, "something stands behind the entries"
    return "", ""


def _described(wanted: zipfile.ZipInfo, header: bytes) -> bytes:
    """An entry in the directory at the end, which repeats what its header says and adds where it lies."""
    extract, flags, method, time, date, crc, packed, size, name, extra = _LOCAL.unpack(header[: _LOCAL.size])[1:]
    versions = (wanted.create_version, wanted.create_system, extract & 0xFF, extract >> 8)
    sizes = (crc, packed, size, name, extra, 0, 0, wanted.internal_attr)
    fields = (*versions, flags, method, time, date, *sizes, wanted.external_attr, wanted.header_offset)
    return _CENTRAL.pack(b"PK\1\2", *fields) + header[_LOCAL.size :]
