"""Every benchmark, one after another, each in a process of its own; then RESULTS.md is made anew."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.common import ROOT

# name: (words for the figures, words for a trial of some minutes), in the order of how soon they tell something
ALL = {
    "embedding": ((), ("--texts", "300", "--rounds", "2", "--seconds", "0.2")),
    "aa": ((), ("--trials", "10", "--rows", "400")),
    "baselines": ((), ("--rows", "300")),
    "ladder": ((), ("banking77", "german_credit", "womens_clothing_rating", "--rows", "120", "--limits", "90s")),
    "memory": ((), ("--parts", "million", "--rows", "5000")),
    "gpu": ((), ()),
    "near_duplicates": ((), ("--parts", "generated", "--seeds", "1")),
    "label_errors": ((), ("sms_spam", "--seeds", "1")),
    "personal_data": ((), ("--texts", "300", "--rows", "500", "--parts", "held_out", "table")),
    "off_topic": ((), ("--rows", "300", "--seeds", "1", "--pairs", "sms_spam/banking77")),
    "planted": ((), ()),
    "curate_time": ((), ("--parts", "million", "--rows", "3000")),
    "base_ranking": ((), ("sms_spam", "--rows", "200")),
    "confidence": ((), ("sms_spam", "--rows", "300")),
    "evaluation_time": ((), ("--rungs", "frozen", "--rows", "300")),
    "forecast": ((), ("sms_spam", "--rows", "300")),
    "peers_train": ((), ("--rows", "120", "--epochs", "1", "--learning-rates", "1e-4")),
    "few_shot": ((), ("sms_spam", "--seeds", "1", "--shots", "8", "--test-rows", "50")),
    "serve": ((), ("--quick",)),
    "serve_faults": ((), ("--quick",)),
    "ledger": ((), ("--processes", "2", "--acts", "50", "--trials", "100")),
    "fuzz": ((), ("--files", "20")),
    "serve_engine": ((), ("--experts", "1", "8", "--texts", "256", "--times", "1", "--rows", "400")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which: {', '.join(ALL)}; all when left out")
    parser.add_argument("--quick", action="store_true", help="small trials that show every script works")
    choices = parser.parse_args()
    unknown = sorted(set(choices.names) - set(ALL))
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(ALL)}")
    failed = []
    for name in choices.names or ALL:
        words = [sys.executable, "-m", f"benchmarks.{name}", *ALL[name][choices.quick]]
        print("$", " ".join(words[1:]), flush=True)
        if subprocess.run(words, cwd=ROOT, check=False).returncode:
            failed.append(name)
    subprocess.run([sys.executable, "-m", "benchmarks.report"], cwd=ROOT, check=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
