"""Broken files for every reader: a valid small one of each form, and seeded ways of breaking it."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Mapping

ROWS = [
    {"text": f"my card {number} is göne", "label": ("lost", "fee")[number % 2], "n": number} for number in range(12)
]


def wholes() -> Mapping[str, bytes]:
    """File name -> the bytes of a valid file of that form."""
    import openpyxl
    import polars as pl

    frame = pl.DataFrame(ROWS)
    text = frame.write_csv().encode()
    parquet, arrow, excel, packed = io.BytesIO(), io.BytesIO(), io.BytesIO(), io.BytesIO()
    frame.write_parquet(parquet)
    frame.write_ipc(arrow)
    book = openpyxl.Workbook()
    assert book.active is not None
    for row in [tuple(ROWS[0]), *(tuple(row.values()) for row in ROWS)]:
        book.active.append(row)
    book.save(excel)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", text)
    lines = "\n".join(json.dumps(row) for row in ROWS).encode()
    return {
        "a.csv": text,
        "a.tsv": text.replace(b",", b"\t"),
        "a.json": json.dumps(ROWS).encode(),
        "a.jsonl": lines,
        "a.txt": b"\n".join(f"{row['label']}\t{row['text']}".encode() for row in ROWS),
        "b.csv": text.decode().encode("utf-16"),
        "a.parquet": parquet.getvalue(),
        "a.arrow": arrow.getvalue(),
        "a.xlsx": excel.getvalue(),
        "a.csv.gz": gzip.compress(text, mtime=0),
        "a.zip": packed.getvalue(),
    }


def broken(whole: bytes, rng: random.Random) -> bytes:
    """The file with bytes flipped, cut, doubled, put in or moved; sometimes nothing of it is left."""
    found = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 8, 40))):
        at = rng.randrange(len(found) + 1)
        size = rng.choice((1, 2, 4, 64))
        match rng.randrange(7):
            case 0 if found:
                found[at % len(found)] ^= 1 << rng.randrange(8)
            case 1:
                del found[at : at + size]
            case 2:
                found[at:at] = found[at : at + size]
            case 3:
                found[at:at] = rng.randbytes(size)
            case 4:
                found[at:at] = rng.choice((b"\0", b'"', b"\n", b"\xff\xfe", b"{", b"[", b"\r", b"9" * 400, b"," * 40))
            case 5:
                found[at : at + size] = rng.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
            case 6 if rng.random() < 0.1:
                found = bytearray(rng.randbytes(at % 300))
    return bytes(found)
