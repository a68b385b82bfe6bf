"""Files that lie elsewhere: s3://, gs://, az://, https:// and whatever else fsspec knows, fetched once and kept."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from metier import files
from metier.data.sources.addresses import masked, scheme, without_secrets
from metier.errors import DataError, MetierError, ResourceError, UsageError

_BLOCK = 2**20
_MOST_FILES = 100_000
_EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "adl": "azure",
    "http": "http", "https": "http",
}  # fmt: skip
# What stores call a version of a file; the first one given is compared with that of the last fetch.
_TAGS = ("ETag", "etag", "md5Hash", "content_md5", "md5", "LastModified", "Last-Modified", "last_modified")
_TAGS_OF_TIME = ("updated", "mtime", "created")
_WEB = {"http", "https"}


def fetch(place: str, folder: Path) -> Path:
    """The path of the file or folder at this address, fetched into `folder` where it is not there already.

    It is fetched again when the store's tag or size of it has changed, or where the store gives no tag. `file://` is
    read where it lies. Raises UsageError where the driver is missing, DataError or ResourceError where the store
    refuses.
    """
    import fsspec

    with _refused(place):
        try:
            store, path = fsspec.core.url_to_fs(place)
        except ImportError as error:
            raise _driver_missing(place, error) from None
        if _protocols(store) & {"file", "local"}:
            return Path(path)
        store.invalidate_cache()
        if not _protocols(store) & _WEB and store.isdir(path):
            return _fetch_folder(store, path, folder / _key(place), place)
        return _fetch_file(store, path, store.info(path), folder / _key(place), place)


def _protocols(store: Any) -> set[str]:
    return {store.protocol} if isinstance(store.protocol, str) else set(store.protocol)


def _key(place: str) -> str:
    # Of the masked address: a hash of a password could be guessed at.
    return hashlib.sha256(masked(place).encode()).hexdigest()[:32]


def _fetch_folder(store: Any, path: str, folder: Path, place: str) -> Path:
    """Everything under a folder of the store, in the same layout."""
    found: Mapping[str, Any] = store.find(path, detail=True)
    if len(found) > _MOST_FILES:
        raise DataError(
            "too-many-files",
            f"A folder of a store may hold at most {_MOST_FILES:,} files.",
            found=f"{masked(place)} holds {len(found):,}",
            fix="Name one file, or a smaller folder.",
        )
    root, wanted = folder / (PurePosixPath(path).name or "folder"), set()
    for name, info in sorted(found.items()):
        inside = PurePosixPath(name).relative_to(PurePosixPath(path))
        if ".." in inside.parts:
            continue
        wanted.add(_fetch_file(store, name, info, root / inside.parent, place, inside.name))
    with files.guard(root):
        for old in root.rglob("*"):
            if old.is_file() and old not in wanted and not old.name.startswith(".fetched-"):
                old.unlink()
    return root


def _fetch_file(
    store: Any, path: str, info: Mapping[str, Any], folder: Path, place: str, name: str | None = None
) -> Path:
    name = name or unquote(PurePosixPath(path.partition("?")[0].partition("#")[0]).name) or "data"
    name = name.replace("/", "_").replace("\\", "_")[-120:]
    target, note = folder / name, folder / f".fetched-{name}.json"
    tag = next((str(info[key]) for key in (*_TAGS, *_TAGS_OF_TIME) if info.get(key)), None)
    about = {"tag": tag, "size": info.get("size")}
    if tag is not None and target.exists() and _noted(note) == about:
        return target
    size = info.get("size")
    with files.open_new(target, needed=size, durable=False) as out, store.open(path, "rb") as stream:
        written = 0
        while data := stream.read(_BLOCK):
            out.write(data)
            written += len(data)
        # A web server may send less than it says, packed; what arrives is unpacked.
        if size is not None and written != size and not _protocols(store) & _WEB:
            raise ResourceError(
                "cut-short",
                "The file must arrive whole.",
                found=f"{written:,} of {size:,} bytes of {masked(place)}",
                fix="Run it again.",
            )
    files.write_json(note, about, durable=False)
    return target


def _noted(note: Path) -> Any:
    try:
        return files.read_json(note)
    except (ResourceError, ValueError):
        return None


def _driver_missing(place: str, error: ImportError) -> UsageError:
    extra = _EXTRAS.get(scheme(place))
    return UsageError(
        "driver-missing",
        f"Reading from {scheme(place)}:// needs a driver.",
        found=str(error).splitlines()[0],
        fix=f"pip install 'metier[{extra}]'" if extra else "Install it with pip.",
    )


@contextlib.contextmanager
def _refused(place: str) -> Iterator[None]:
    """Turn what a store's driver raises into an error that says what to do."""
    try:
        yield
    except MetierError:
        raise
    except Exception as error:  # noqa: BLE001  every driver has errors of its own
        raise _refusal(error, place) from None


def _refusal(error: Exception, place: str) -> MetierError:
    cause = error.__cause__ or error
    status = getattr(cause, "status", None)
    said = without_secrets(" ".join(f"{cause}".split()), place)[:300]
    names = {type(item).__name__ for item in (error, cause)}
    login = ("NoCredentialsError", "ClientAuthenticationError", "DefaultCredentialsError", "PermissionError")
    if status in (401, 403) or names & set(login):
        return ResourceError(
            "store-login",
            "The store must accept who you are.",
            found=f"{masked(place)}: {said or 'access denied'}",
            fix="Log in the way its own tools do (aws configure, gcloud auth, az login), or name a file you may read.",
        )
    gone = isinstance(error, FileNotFoundError) and (error.__cause__ is None or status in (404, 410))
    if gone:
        return DataError(
            "no-such-file", "The data file must exist.", found=f"{masked(place)} does not", fix="Check the address."
        )
    return ResourceError(
        "store-unreachable",
        "The store must answer.",
        found=f"{masked(place)}: {type(cause).__name__} {said}",
        fix="Check the address and the network, or download the file and name its path.",
    )
