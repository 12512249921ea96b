"""What the supervisor tells the others about its servers, in HOME/services.json, and where their logs are."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.processes import Known
from pipelines.settings import Settings


class ServerState(BaseModel):
    """One server: running when it has a process, waiting to be started when it has none and is not done."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    process: Known | None
    started: datetime | None
    restarts: int
    done: bool


class State(BaseModel):
    """The supervisor and its servers. `digest` is that of the settings they were started with."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    supervisor: Known
    digest: str
    servers: dict[str, ServerState]
    failed: str | None = None

    @property
    def recorded(self) -> list[Known]:
        return [self.supervisor, *(s.process for s in self.servers.values() if s.process)]


def state_file(settings: Settings) -> Path:
    return settings.home / "services.json"


def read_state(settings: Settings) -> State | None:
    """The last state written, or None: whether its processes still live is another question."""
    try:
        return State.model_validate_json(state_file(settings).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def log_of(settings: Settings, name: str) -> Path:
    return settings.home / "logs" / f"{name}.log"
