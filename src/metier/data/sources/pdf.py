"""The text of PDF files, read in a process of its own: a broken or hostile file can't take this one along.

`python -m metier.data.sources.pdf` reads one path a line and answers with one JSON line: text, or why there is none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Any

MAX_PAGES = 5_000
MAX_LETTERS = 2**24
_SECONDS = 60.0  # for one file
_MEMORY = 2**31


class PdfReader:
    """Texts of PDF files, one after the other: `reader.text(path)` -> (text, None) or (None, why not)."""

    def __init__(self, seconds: float = _SECONDS) -> None:
        self._seconds = seconds
        self._process: subprocess.Popen[str] | None = None
        self._answers: Queue[str] = Queue()

    def __enter__(self) -> PdfReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def text(self, path: Path) -> tuple[str | None, str | None]:
        """The text of all pages, or None and the reason."""
        process = self._process or self._start()
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(str(path)) + "\n")
            process.stdin.flush()
        try:
            line = self._answers.get(timeout=self._seconds)
        except Empty:
            self._stop()
            return None, f"not read in {self._seconds:.0f} seconds"
        if not line:
            self._stop()
            return None, "the reader needed too much memory or broke"
        answer = json.loads(line)
        return answer["text"], answer["why"]

    def _start(self) -> subprocess.Popen[str]:
        self._answers = Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "metier.data.sources.pdf"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        Thread(target=_forward, args=(self._process, self._answers), daemon=True).start()
        return self._process

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process = None


def _forward(process: subprocess.Popen[str], answers: Queue[str]) -> None:
    assert process.stdout is not None
    with suppress(ValueError, OSError):
        for line in process.stdout:
            answers.put(line)
    answers.put("")


def extract(path: str) -> tuple[str | None, str | None]:
    """The text of one PDF file in this process, or None and the reason."""
    import pypdf

    try:
        reader = pypdf.PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            return None, "needs a password"
        parts: list[str] = []
        letters = 0
        for number, page in enumerate(reader.pages):
            if number >= MAX_PAGES:
                return None, f"more than {MAX_PAGES:,} pages"
            parts.append(page.extract_text())
            letters += len(parts[-1])
            if letters > MAX_LETTERS:
                return None, f"more than {MAX_LETTERS:,} letters"
    except MemoryError:
        return None, "needs too much memory"
    except Exception as error:  # noqa: BLE001  a broken file raises whatever it hits first
        return None, f"broken ({type(error).__name__})"
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    return (text, None) if text else (None, "no text in it, as in a scan")


def _answer_lines() -> None:
    import logging
    import warnings

    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        text, why = extract(json.loads(line))
        answer: dict[str, Any] = {"text": None if text is None else text.encode("utf-8", "replace").decode()}
        sys.stdout.write(json.dumps(answer | {"why": why}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _answer_lines()
