"""MLflow's registry: candidates in `<name>-candidates`, the promoted in `<name>`, and who is champion. An edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import dossier as dossiers
from pipelines.artifact import verify
from pipelines.dossier import Dossier, check_belonging, refuse_unless_passed
from pipelines.errors import Refused, ScriptoriumError
from pipelines.served_model import log_model
from pipelines.settings import Settings, read_settings
from pipelines.tracking import connect, experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, LEDGER_HEAD = "champion", "challenger", "ledger_head"


@dataclass(frozen=True)
class Champion:
    """The version that holds `champion`; `folder` is its verified artifact, fit to be a step's input."""

    version: str
    folder: Path
    digest: str
    dossier: str


def candidates(name: str) -> str:
    """The registered model that training may write to."""
    return f"{name}-candidates"


def register(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Register the model of a dossier as a candidate, and return models:/NAME-candidates/N. Never cached.

    Raises Refused when the dossier is of another run or a gate in it did not pass.
    """
    settings = read_settings()
    dossier = dossiers.read(inputs["dossier"], settings)
    check_belonging(dossier, run_uri)
    refuse_unless_passed(list(dossier.gates))
    uri = register_candidate(dossier, settings)
    print(f"registered {uri} as {CHALLENGER}: {settings.mlflow_url}/#/models/{candidates(dossier.name)}", flush=True)
    return uri


def register_candidate(dossier: Dossier, settings: Settings) -> str:
    """Log the dossier's model and register it with the alias `challenger`; the same dossier is the same version."""
    name = candidates(dossier.name)
    version = register_bytes(name, Path(dossier.model.uri), dossier, {}, settings)
    connect(settings).set_registered_model_alias(name, CHALLENGER, version)
    return f"models:/{name}/{version}"


def register_bytes(name: str, artifact: Path, dossier: Dossier, tags: Mapping[str, str], settings: Settings) -> str:
    """The version of registered model `name` that holds an artifact's model, logged first if there is none yet."""
    client = connect(settings)
    ensure_model(client, name)
    if version := version_of(client, name, dossier.sha256):
        return version
    if verify(str(artifact)).digest != dossier.model.digest:
        raise Refused(f"{artifact} is not the model of dossier {dossier.sha256[:12]}: its digest differs")
    promoted = name == dossier.name
    experiment = experiment_id(client, f"{name}-production") if promoted else dossier.mlflow_experiment
    model_id = log_model(client, dossier, artifact, experiment, settings)
    kept = {
        "dossier": dossier.sha256,
        "digest": dossier.model.digest,
        "dataset": dossier.dataset,
        "dataset_md5": dossier.dataset_md5,
        "run_id": dossier.run_id,
        **tags,
    }
    made = client.create_model_version(
        name, f"models:/{model_id}", run_id=dossier.mlflow_run, tags=kept, await_creation_for=0, model_id=model_id
    )
    return str(made.version)


def champion(name: str, settings: Settings) -> Champion | None:
    """The holder of `champion` with its bytes verified, or None before the first release.

    Raises ScriptoriumError when the bytes are not those that were promoted.
    """
    version = holder(connect(settings), name)
    if version is None:
        return None
    held = connect(settings).get_model_version(name, version)
    digest = held.tags.get("digest", "")
    folder = production_folder(name, digest, settings)
    if verify(str(folder)).digest != digest:
        raise ScriptoriumError(f"{folder} is not what was promoted as {name} version {version}: its digest differs")
    return Champion(version=version, folder=folder, digest=digest, dossier=held.tags.get("dossier", ""))


def register_promoted(folder: Path, dossier: Dossier, reviewer: str, settings: Settings) -> str:
    """Register the promoted bytes as a version of the production model; the same dossier is the same version."""
    return register_bytes(dossier.name, folder, dossier, {"reviewer": reviewer}, settings)


def move_champion(dossier: Dossier, version: str, settings: Settings) -> None:
    """Move the alias to a version of the dossier's model; the caller holds the promotion lock.

    Raises Refused unless it is held by the version that the dossier compared with, or was moved already.
    """
    client = connect(settings)
    expected = dossier.champion.version if dossier.champion else None
    held = holder(client, dossier.name)
    if held == version:
        return
    if held != expected:
        raise Refused(
            f"{CHAMPION} of {dossier.name} is held by {held or 'nobody'}, but the approved dossier compared with "
            f"{expected or 'nobody'}; start a new run, which will compare with the champion of today"
        )
    client.set_registered_model_alias(dossier.name, CHAMPION, version)
    if (now := holder(client, dossier.name)) != version:
        raise ScriptoriumError(
            f"{CHAMPION} of {dossier.name} is held by {now} although {version} was set; see the audit"
        )


def acknowledge(name: str, ledger_head: str, settings: Settings) -> None:
    """Keep the ledger's last hash beside the model, so that lines cut off its end are missed."""
    client = connect(settings)
    ensure_model(client, name)
    client.set_registered_model_tag(name, LEDGER_HEAD, ledger_head)


def acknowledged(name: str, settings: Settings) -> str | None:
    """The ledger's hash that is kept beside a model, if any."""
    client = connect(settings)
    return client.get_registered_model(name).tags.get(LEDGER_HEAD) if is_model(client, name) else None


def clear_challenger(candidate: str, settings: Settings) -> None:
    """Take the alias `challenger` from a candidate that was decided about, unless another has it by now."""
    client = connect(settings)
    name, version = candidate.removeprefix("models:/").split("/")
    if aliases(client, name).get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)


def load(name: str, version: str, settings: Settings) -> Any:
    """Load a version as MLflow serves it, which verifies every byte. Raises Refused when one is not as registered."""
    connect(settings)
    import mlflow.pyfunc

    try:
        return mlflow.pyfunc.load_model(f"models:/{name}/{version}")
    except ValueError as error:
        raise Refused(f"{name} version {version}: {error}") from None


def production_folder(name: str, digest: str, settings: Settings) -> Path:
    """Where the promoted bytes of a model lie."""
    if len(digest) != 64 or not digest.isalnum():
        raise ScriptoriumError(f"{name}: the version that holds `champion` was not made by promote: it has no digest")
    return Path(settings.artifacts) / "production" / name / digest


def holder(client: MlflowClient, name: str) -> str | None:
    """The version that holds `champion`, asked of the server anew."""
    return aliases(client, name).get(CHAMPION)


def aliases(client: MlflowClient, name: str) -> dict[str, str]:
    """Alias to version; none when there is no such model."""
    if not is_model(client, name):
        return {}
    return {alias: str(version) for alias, version in client.get_registered_model(name).aliases.items()}


def is_model(client: MlflowClient, name: str) -> bool:
    """Whether a registered model of this name exists."""
    return bool(client.search_registered_models(f"name = '{name}'", max_results=1))


def ensure_model(client: MlflowClient, name: str) -> None:
    """Create a registered model unless it is there; two processes may try at once."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def version_of(client: MlflowClient, name: str, seal: str) -> str | None:
    """The version registered for a dossier, the first if a killed try left two."""
    found = client.search_model_versions(f"name = '{name}' and tags.dossier = '{seal}'")
    return str(min((int(v.version) for v in found), default="")) or None
