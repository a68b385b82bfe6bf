"""Releases to and from an MLflow registry on this machine (a folder or a SQLite file): `pip install 'metier[mlflow]'`.

MLflow reports its use to its makers unless it is told not to; here it is told so before it is imported. Servers are not
spoken to: copy the folder there with MLflow's own tools.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from metier import files
from metier.errors import RecordError, ResourceError, UsageError
from metier.govern import acts, evidence, registry
from metier.govern.actor import Actor
from metier.govern.registry import Release
from metier.govern.release import Outcome, release
from metier.workspace import Workspace

# Set before the import and left: a library that was told once must not forget it later in this process.
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ALLOW_FILE_STORE": "true"}
_EXPERIMENT, _RELEASE, _FOLDER = "metier", "metier.release", "expert"


def write(reference: str, place: Workspace, address: str) -> list[dict[str, Any]]:
    """Write a release (or with a bare name all its versions beyond draft) as versions of an MLflow model.

    Returns `[{"release", "model", "version", "written"}]`; what is there already is left as it is. Raises RecordError,
    ResourceError, UsageError.
    """
    name, which = registry.parse(reference)
    chosen = [registry.resolve(reference, place)]
    if not which:
        chosen = [each for each in registry.releases(place) if each.name == name and each.stage != registry.DRAFT]
    with _client(address) as (client, artifacts):
        return [_written(client, artifacts, each, place) for each in chosen]


def read(
    address: str,
    model: str,
    place: Workspace,
    *,
    version: int | None = None,
    policy: str | Path | None = None,
    actor: Actor | None = None,
    key: str | Path | None = None,
) -> Outcome:
    """Put a version of an MLflow model forward as a release, the newest where none is named; never straight to live.

    It must hold an expert's folder as metier wrote it. Its gates are asked here anew. Raises RecordError, UsageError.
    """
    with _client(address) as (client, _):
        found = {int(each.version): each for each in client.search_model_versions(f"name='{_plain(model)}'")}
        chosen = found.get(version if version is not None else max(found, default=0))
        if chosen is None:
            raise RecordError(
                "no-such-model",
                "The model and its version must be in MLflow's registry.",
                found=f"{model} has {', '.join(map(str, sorted(found))) or 'no version'}",
                fix=f"metier releases from-mlflow {address} NAME",
            )
        folder = _path(str(chosen.source))
    if not (folder / "manifest.json").is_file():
        raise RecordError(
            "no-expert",
            "Only models that metier wrote come back from MLflow: nothing that needs pickle is loaded.",
            found=f"no manifest.json in {folder}",
            fix="metier releases to-mlflow NAME ADDRESS writes one.",
        )
    return release(folder, place, policy=policy, name=model, hold=True, actor=actor, key=key)


def _written(client: Any, artifacts: str | None, one: Release, place: Workspace) -> dict[str, Any]:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(one.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    known = client.search_model_versions(f"name='{one.name}'")
    there = next((each for each in known if each.tags.get("metier.manifest") == one.manifest), None)
    about: dict[str, Any] = {"release": one.id, "model": one.name}
    if there is None:
        folder = registry.here(one, place).expert
        experiment = client.get_experiment_by_name(_EXPERIMENT)
        number = experiment.experiment_id if experiment else client.create_experiment(_EXPERIMENT, artifacts)
        run = client.create_run(number, run_name=one.id)
        for metric, value in _figures(one, place).items():
            client.log_metric(run.info.run_id, metric, value)
        client.log_artifacts(run.info.run_id, str(folder), _FOLDER)
        client.set_terminated(run.info.run_id)
        told = {_RELEASE: one.id, "metier.stage": one.stage, "metier.manifest": one.manifest, "metier.root": one.root}
        source = f"{run.info.artifact_uri}/{_FOLDER}"
        there = client.create_model_version(one.name, source, run_id=run.info.run_id, tags=told)
        about |= {"written": True}
    for word in one.aliases:
        client.set_registered_model_alias(one.name, word, there.version)
    return {"written": False, **about, "version": int(there.version)}


def _figures(one: Release, place: Workspace) -> Mapping[str, float]:
    """The metrics of the newest evaluation of this expert."""
    with acts.reading(place) as connection:
        found = evidence.gather(connection, place, one.expert).find("metrics")
    metrics = found[1] if found else {}
    return {name: each["value"] for name, each in metrics.items() if each["value"] is not None}


@contextmanager
def _client(address: str) -> Iterator[tuple[Any, str | None]]:
    """MLflow's client for an address here, and where artefacts of a SQLite registry go (beside its file)."""
    scheme = urlparse(address).scheme
    if scheme not in ("", "file", "sqlite"):
        raise UsageError(
            "mlflow-address",
            "MLflow's registry is a folder or a SQLite file on this machine.",
            found=f"{scheme}://",
            fix="Give a folder, file:///path or sqlite:////path/mlflow.db.",
        )
    local = scheme != "sqlite"
    path = Path(address).absolute() if scheme == "" else _path(address)
    address = path.as_uri() if local else address
    os.environ.update(_QUIET)
    try:
        import mlflow
        from mlflow.exceptions import MlflowException
    except ImportError as error:
        raise ResourceError(
            "mlflow-missing",
            "Exchanging releases with MLflow needs its client.",
            found=str(error),
            fix="pip install 'metier[mlflow]'",
        ) from error
    # Some of its calls ask the process's own address and not the client's: without one it makes ./mlflow.db.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    os.environ["MLFLOW_TRACKING_URI"] = address
    try:
        with files.guard(path):
            (path if local else path.parent).mkdir(parents=True, exist_ok=True)
        client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
        yield client, None if local else (path.parent / "mlartifacts").as_uri()
    except MlflowException as error:
        raise ResourceError(
            "mlflow-refused",
            "MLflow must do what is asked.",
            found=f"{error.error_code}: {str(error)[:200]}",
            fix=f"Look into {address} with MLflow's own tools.",
        ) from error
    finally:
        if before is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)
        else:
            os.environ["MLFLOW_TRACKING_URI"] = before


def _path(address: str) -> Path:
    """The path of file:///x, sqlite:////x (absolute), sqlite:///x (from here), or a plain path."""
    found = urlparse(address)
    if found.scheme == "sqlite":
        return Path(unquote(found.path[1:])).absolute()
    return Path(unquote(found.path) if found.scheme == "file" else address).absolute()


def _plain(model: str) -> str:
    return model.replace("'", "")
