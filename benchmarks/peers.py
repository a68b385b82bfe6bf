"""Virtual environments of the peers, under benchmarks/.peers/<name>: pinned, made once, never mixed with ours."""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

from benchmarks.common import ROOT

PEERS = ROOT / "benchmarks" / ".peers"
# Torch goes in first and is then held by a constraint, build tag included, so that nothing a peer requires can swap a
# CPU build for a CUDA one. Where only the CUDA build is offered, give `--index` with PyTorch's CPU index.
TORCH = "torch==2.13.0"
REQUIREMENTS = {
    "hf": (
        "transformers==5.23.0", "peft==0.21.2", "accelerate==1.15.0", "datasets==5.2.0", "scikit-learn==1.9.1",
        "numpy==2.4.6",
    ),
    # SetFit 1.1 cannot import transformers 5; 1.2.0 is the first release that can.
    "setfit": (
        "setfit==1.2.0", "sentence-transformers==6.2.0", "transformers==5.23.0", "accelerate==1.15.0",
        "datasets==5.2.0", "evaluate==0.4.6", "huggingface-hub==2.4.0", "scikit-learn==1.9.1", "numpy==2.4.6",
    ),
}  # fmt: skip


def python(name: str, *, index: str | None = None) -> Path:
    """The interpreter of a peer's environment, made (some minutes, about 1.5 GB) unless it stands already."""
    folder = PEERS / name
    interpreter = folder / "bin" / "python"
    done = folder / "done.json"
    wanted = hashlib.sha256("\n".join((TORCH, *REQUIREMENTS[name])).encode()).hexdigest()
    if done.exists() and json.loads(done.read_text())["requirements"] == wanted:
        return interpreter
    print(f"making benchmarks/.peers/{name} ...", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    subprocess.run([*pip, *(["--index-url", index] if index else []), TORCH], check=True)
    held = folder / "constraints.txt"
    held.write_text(f"torch=={_torch(interpreter)}\n", encoding="utf-8")
    subprocess.run([*pip, "-c", str(held), *REQUIREMENTS[name]], check=True)
    freeze = subprocess.run([str(interpreter), "-m", "pip", "freeze"], check=True, capture_output=True, text=True)
    (folder / "installed.txt").write_text(freeze.stdout, encoding="utf-8")
    done.write_text(json.dumps({"requirements": wanted}), encoding="utf-8")
    return interpreter


def _torch(interpreter: Path) -> str:
    code = "import importlib.metadata as m; print(m.version('torch'))"
    return subprocess.run([str(interpreter), "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(REQUIREMENTS), help="which environments to make")
    parser.add_argument("--index", help="package index for torch alone")
    choices = parser.parse_args()
    for name in choices.names:
        print(python(name, index=choices.index))


if __name__ == "__main__":
    main()
