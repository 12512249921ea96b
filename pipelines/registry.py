"""MLflow's registry: candidates in `<name>-candidates`, the promoted in `<name>`, and who is champion. An edge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines import dossier as dossiers
from pipelines.artifact import verify
from pipelines.dossier import Dossier, check_belonging, refuse_unless_passed
from pipelines.errors import Refused, ScriptoriumError, TryAgain
from pipelines.ledger import SERVED
from pipelines.mirror import here
from pipelines.model_card import CARD
from pipelines.packet import verdict_line
from pipelines.served_model import log_model
from pipelines.settings import Settings, read_settings
from pipelines.tracking import connect, experiment_id

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, CHALLENGER, LEDGER_HEAD = "champion", "challenger", "ledger_head"


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
    client, name = connect(settings), candidates(dossier.name)
    version = version_of(client, name, dossier.sha256)
    if version is None:
        version, _ = register_bytes(name, here(dossier.model.uri), dossier, dossier.mlflow_experiment, settings)
    client.set_registered_model_alias(name, CHALLENGER, version)
    return f"models:/{name}/{version}"


def register_promoted(folder: Path, dossier: Dossier, settings: Settings) -> dict[str, str]:
    """Register the promoted bytes as a new version of the production model; returns what the ledger keeps of it.

    Always a new one: whoever may write to MLflow can put a version there that carries the tags of this dossier.
    """
    client = connect(settings)
    experiment = experiment_id(client, f"{dossier.name}-production")
    version, files = register_bytes(dossier.name, folder, dossier, experiment, settings)
    source = client.get_model_version(dossier.name, version).source
    return {"version": version, "source": source, **{SERVED + name: digest for name, digest in files.items()}}


def register_bytes(
    name: str, artifact: Path, dossier: Dossier, experiment: str, settings: Settings
) -> tuple[str, dict[str, str]]:
    """A new version of registered model `name` that holds an artifact's model, and the sha256 of each of its files."""
    if verify(artifact).digest != dossier.model.digest:
        raise Refused(f"{artifact} is not the model of dossier {dossier.sha256[:12]}: its digest differs")
    client = connect(settings)
    ensure_model(client, name)
    model_id, files = log_model(client, dossier, artifact, experiment, settings)
    kept = {
        "dossier": dossier.sha256,
        "digest": dossier.model.digest,
        "dataset": dossier.dataset,
        "dataset_md5": dossier.dataset_md5,
        "run_id": dossier.run_id,
    }
    made = client.create_model_version(
        name,
        f"models:/{model_id}",
        run_id=dossier.mlflow_run,
        tags=kept,
        description=f"{verdict_line(dossier)} The model card is {CARD}, among its files.",
        await_creation_for=0,
        model_id=model_id,
    )
    return str(made.version), files


def move_champion(dossier: Dossier, version: str, settings: Settings) -> None:
    """Move the alias to a version of the dossier's model; the caller holds the promotion lock.

    Raises Refused unless it is held by the version that the dossier compared with, or was moved already.
    """
    held = holder(connect(settings), dossier.name)
    if held != version:
        require_opponent(dossier, held)
        set_champion(dossier.name, version, settings)


def set_champion(name: str, version: str, settings: Settings) -> None:
    """Give `champion` of a model to a version, whoever has it; the caller holds the promotion lock."""
    put_alias(name, CHAMPION, version, settings)
    if (now := holder(connect(settings), name)) != version:
        raise ScriptoriumError(f"{CHAMPION} of {name} is held by {now} although {version} was set; see the audit")


def require_opponent(dossier: Dossier, held: str | None) -> None:
    """Refuse unless `champion` is held by the version that the dossier compared with."""
    expected = dossier.champion.version if dossier.champion else None
    if held != expected:
        raise Refused(
            f"{CHAMPION} of {dossier.name} is held by {held or 'nobody'}, but the approved dossier compared with "
            f"{expected or 'nobody'}; start a new run, which will compare with the champion of today"
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


def clear_challenger(model: str, candidate: str, settings: Settings) -> None:
    """Take the alias `challenger` from a candidate of a model that was decided about, unless another has it by now."""
    client, name, version = connect(settings), candidates(model), candidate.rpartition("/")[2]
    if aliases(client, name).get(CHALLENGER) == version:
        client.delete_registered_model_alias(name, CHALLENGER)


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


def sealed(names: Iterable[str], settings: Settings) -> dict[str, tuple[str, ...]]:
    """Dossier to models:/NAME/VERSION for every candidate and promoted version of these models. Raises TryAgain."""
    client, found = connect(settings), dict[str, tuple[str, ...]]()
    from mlflow.exceptions import MlflowException

    for name in (each for model in names for each in (candidates(model), model)):
        try:
            versions = client.search_model_versions(f"name = '{name}'")
        except MlflowException as error:
            raise TryAgain(f"MLflow at {settings.mlflow_url} does not list {name}: {error}") from None
        for version in versions:
            seal = version.tags.get("dossier", "")
            found[seal] = (*found.get(seal, ()), f"models:/{name}/{version.version}")
    return found


@dataclass(frozen=True)
class Version:
    """A version of a registered model: its number, when and by whom it was made, and from what."""

    version: str
    at: datetime
    by: str
    source: str


def versions_of(name: str, settings: Settings) -> list[Version]:
    """Every version of a registered model, the first first."""
    found = connect(settings).search_model_versions(f"name = '{name}'")
    made = [
        Version(str(v.version), datetime.fromtimestamp(v.creation_timestamp / 1000, UTC), v.user_id or "", v.source)
        for v in found
    ]
    return sorted(made, key=lambda version: int(version.version))


def aliases_of(name: str, settings: Settings) -> dict[str, str]:
    """Alias to version, asked of the server anew; none when there is no such model."""
    return aliases(connect(settings), name)


def put_alias(name: str, alias: str, version: str | None, settings: Settings) -> None:
    """Give an alias to a version, or take it away; the caller holds the promotion lock."""
    with _in_words(f"alias {alias} of {name} at version {version or 'none'}"):
        if version:
            connect(settings).set_registered_model_alias(name, alias, version)
        else:
            connect(settings).delete_registered_model_alias(name, alias)


def delete_version(name: str, version: str, settings: Settings) -> None:
    """Take a version out of the registry, and with it its aliases; the model that was logged stays in its run."""
    with _in_words(f"{name} version {version} to be deleted"):
        connect(settings).delete_model_version(name, version)


@contextmanager
def _in_words(what: str) -> Iterator[None]:
    """Turn what MLflow refuses into a ScriptoriumError that says what was asked of it."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise ScriptoriumError(f"MLflow refuses {what}: {error.message}") from None
