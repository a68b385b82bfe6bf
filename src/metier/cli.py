"""The command line: each command asks a verb of metier and shows its answer. `metier COMMAND --help` tells the rest."""

from __future__ import annotations

from typing import Any

import click

from metier import (
    __version__,
    cli_choose,
    cli_data,
    cli_documents,
    cli_explain,
    cli_forget,
    cli_govern,
    cli_people,
    cli_release,
    cli_serve,
)
from metier.cli_options import Screen, choices, common, given


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="metier")
def main() -> None:
    """Turn a general pre-trained model into an expert of one trade, with the evidence that it is one."""


@main.command()
@choices("ladder", "")
@common
def demo(screen: Screen, workspace: str | None, **options: Any) -> None:
    """The whole way on the bundled help-desk tickets, offline."""
    from metier import cli_answers, lifecycle

    tuned, spoken = lifecycle.demo(workspace=workspace, progress=screen.progress, **given(options))
    screen.show({**tuned.figures, "predictions": spoken}, lambda: cli_answers.demo(tuned, spoken))


@main.command()
@click.argument("data")
@choices("data", "base")
@common
def inspect(screen: Screen, workspace: str | None, data: str, **options: Any) -> None:
    """What is in DATA, what task it looks like, and what will hurt."""
    from metier import cli_answers, lifecycle

    found = lifecycle.inspect(data, workspace=workspace, **given(options))
    screen.show(found, lambda: cli_answers.inspected(found))


@main.command()
@click.argument("data")
@click.option("-o", "--output", metavar="FILE", help="Write the cleaned file here; into the run's folder if left out.")
@click.option("--scores", metavar="FILE", help="Write every row's label-error and off-topic score here (.csv).")
@choices("data", "ladder.validation", "base", "curate", "privacy", "sheet", "")
@common
def curate(screen: Screen, workspace: str | None, data: str, **options: Any) -> None:
    """Find what is wrong with DATA, and write a cleaned file; nothing is dropped unseen."""
    from metier import cli_answers, lifecycle

    found = lifecycle.curate(data, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(found.figures, lambda: cli_answers.curated(found))


@main.command()
@click.argument("data")
@click.option("-o", "--output", metavar="DIR", help="Leave the expert's folder here too.")
@choices("data", "base", "ladder", "training", "private", "fair", "adapter", "answer", "")
@common
def tune(screen: Screen, workspace: str | None, data: str, output: str | None, **options: Any) -> None:
    """Tune an expert on the labelled rows of DATA, climbing only while it pays."""
    from metier import cli_answers, lifecycle

    tuned = lifecycle.tune(data, output=output, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(tuned.figures, lambda: cli_answers.tuned(tuned))


@main.command()
@click.argument("expert")
@click.argument("data")
@click.option("-o", "--output", metavar="DIR", help="With --keep-general: leave the scaled expert here.")
@choices("evaluate", "doubt", "gate", "compare.price_per_hour", "compare.watts_per_core")
@common
def evaluate(screen: Screen, workspace: str | None, expert: str, data: str, **options: Any) -> None:
    """Is EXPERT better than its own generic base on the labelled rows of DATA; fair, robust, worth it?"""
    from metier import cli_answers, lifecycle
    from metier.evaluate.gate import EXIT

    found = lifecycle.evaluate(expert, data, workspace=workspace, progress=screen.progress, **given(options))
    screen.show(found.figures, lambda: cli_answers.evaluated(found))
    raise SystemExit(0 if found.passed else EXIT)


@main.command()
@click.argument("expert")
@click.option("-o", "--output", metavar="DIR", required=True, help="Write the exported expert's folder here.")
@click.option(
    "--format", type=click.Choice(["onnx", "onnx-int8"]), default="onnx", help="The form of the weights [onnx]."
)
@common
def export(screen: Screen, expert: str, output: str, format: str, **_: Any) -> None:
    """Write EXPERT as an ONNX file that other runtimes open."""
    from metier import export as exporting

    found = exporting.export(expert, output, format=format)
    screen.show(found, lambda: click.echo(f"{found['bytes'] / 2**20:.1f} MiB written to {output}"))


@main.command()
@click.argument("expert")
@click.argument("data")
@click.option("-o", "--output", metavar="FILE", help="Write a table here (.csv, .tsv, .jsonl, .parquet).")
@common
def predict(screen: Screen, workspace: str | None, expert: str, data: str, output: str | None, **_: Any) -> None:
    """Answer the rows of DATA with EXPERT; `-` reads texts or JSON lines from stdin."""
    from metier import cli_answers

    found = cli_answers.predict(expert, data, output, workspace, screen.progress)
    if output is not None:
        screen.show(found, lambda: click.echo(f"{found['rows']} rows written to {output}"))


@main.command()
@click.argument("run")
@click.option("--base", help="Compare the base in this folder with the recorded one, too.")
@click.option("--root", help="A root noted elsewhere: proves that the record was not written anew.")
@click.option(
    "--key", help="The public key, or its fingerprint, that must have signed; for an OpenSSF signature a PEM file."
)
@common
def verify(screen: Screen, run: str, base: str | None, root: str | None, key: str | None, **_: Any) -> None:
    """Recompute the hashes of RUN (also: an expert, packed or not, a workspace, an exported ledger, a certificate)
    and name what differs first."""
    from metier import cli_answers
    from metier.govern.verify import verify as verified

    verdict = verified(run, base=base, root=root, key=key)
    screen.show(verdict.as_json(), lambda: cli_answers.verified(verdict))
    raise SystemExit(0 if verdict.ok else 1)


@main.command()
@common
def doctor(screen: Screen, workspace: str | None, **_: Any) -> None:
    """What this machine can do, and what is missing."""
    from metier import doctor as doctors
    from metier import terminal
    from metier.workspace import Workspace

    found = doctors.examine(Workspace.find(workspace).root)
    screen.show(found, lambda: terminal.table(*doctors.as_table(found)))


main.add_command(cli_choose.bases)
main.add_command(cli_choose.compare)
main.add_command(cli_data.data)
main.add_command(cli_documents.documents)
main.add_command(cli_explain.explain)
main.add_command(cli_forget.forget)
main.add_command(cli_forget.pack)
main.add_command(cli_govern.ledger)
for command in (
    cli_release.release,
    cli_release.approve,
    cli_release.rollback,
    cli_release.history,
    cli_release.releases,
):
    main.add_command(command)
for command in (cli_people.people, cli_people.findings, cli_people.ethics):
    main.add_command(command)
main.add_command(cli_serve.serve)
main.add_command(cli_serve.keys)
