"""What is installed, what runs and what is wrong on this machine, each with its cure."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

from pipelines import services
from pipelines.errors import ScriptoriumError
from pipelines.processes import require_free
from pipelines.recipe_file import load_recipe
from pipelines.reviewers import require_reviewers
from pipelines.server_state import state_file
from pipelines.settings import ROOT, Settings
from pipelines.stack import ports

GIGABYTE = 1024**3
# The demo writes 1.5 GB; training and the services use 3 GB.
FREE_DISK = 3 * GIGABYTE
FREE_MEMORY = 3 * GIGABYTE
TESTED = (3, 11)


@dataclass(frozen=True)
class Check:
    """One finding: `cure` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


def checks(settings: Settings) -> list[Check]:
    """Look at everything; a check that itself fails is a finding, never an end."""
    return [_safely(name, check, settings) for name, check in CHECKS.items()]


def _safely(name: str, check: Callable[[Settings], Check], settings: Settings) -> Check:
    try:
        return check(settings)
    except ScriptoriumError as error:
        return Check(name, ok=False, detail=str(error))
    except (ImportError, OSError) as error:
        return Check(name, ok=False, detail=f"{type(error).__name__}: {error}", cure="set up again: make setup")


def python(_: Settings) -> Check:
    tested = sys.version_info[:2] == TESTED
    return Check("python", ok=True, detail=platform.python_version() + ("" if tested else " (tested: 3.11)"))


def packages(_: Settings) -> Check:
    """Compare what is installed with requirements.lock; the CPU build of torch is the same version."""
    wrong = [text for name, version in locked().items() if (text := _differs(name, version))]
    detail = f"{len(locked())} as requirements.lock pins them" if not wrong else "; ".join(wrong[:5])
    return Check("packages", ok=not wrong, detail=detail, cure="set up again: make setup")


def locked() -> dict[str, str]:
    """The pins of requirements.lock that hold on this machine."""
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    return {pin.name: str(pin.specifier)[2:] for pin in pins if pin.marker is None or pin.marker.evaluate()}


def _differs(name: str, version: str) -> str | None:
    try:
        installed = metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return f"{name} is missing"
    return None if installed == version else f"{name} is {installed}, not {version}"


def torch(settings: Settings) -> Check:
    import torch as library

    device = library.cuda.get_device_name() if library.cuda.is_available() else f"CPU, {settings.threads} threads"
    fast = library.cuda.is_available() or bool({"avx512_bf16", "amx_bf16"} & _cpu_flags())
    kind = "bfloat16 in hardware" if fast else "no bfloat16 in hardware, training takes longer"
    return Check("torch", ok=True, detail=f"{library.__version__} on {device}; {kind}")


def _cpu_flags() -> set[str]:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def disk(settings: Settings) -> Check:
    place = next(p for p in [settings.home, *settings.home.parents] if p.exists())
    free = shutil.disk_usage(place).free
    cure = "free some space, or move SCRIPTORIUM_HOME"
    return Check("disk", free >= FREE_DISK, f"{free / GIGABYTE:.1f} GB free in {place}", cure)


def memory(_: Settings) -> Check:
    free = psutil.virtual_memory().available
    cure = f"the services and a training need {FREE_MEMORY / GIGABYTE:.0f} GB; end something else"
    return Check("memory", free >= FREE_MEMORY, f"{free / GIGABYTE:.1f} GB free", cure)


def data(_: Settings) -> Check:
    from pipelines import dataset

    dataset.verify()
    return Check("data", ok=True, detail=f"is what data.dvc names: {dataset.current_md5()}")


def remote(settings: Settings) -> Check:
    from pipelines.dvc_remote import remote_url

    place = remote_url(settings)
    there = "://" in place or Path(place).exists()
    return Check("dvc remote", ok=True, detail=place + ("" if there else " (empty so far)"))


def artifacts(settings: Settings) -> Check:
    """Where outputs lie; of a store, whether it answers, can be written to, and keeps two machines apart."""
    from pipelines.growing import heeds_conditions

    if settings.store is None:
        return Check("artifacts", ok=True, detail=settings.artifacts)
    detail = f"{settings.store} answers and can be written to; copies in {settings.artifacts}"
    if not heeds_conditions(settings.store):
        detail += "; it ignores conditional writes, so let only one machine at a time decide or change data"
    return Check("artifacts", ok=True, detail=detail)


def recipes(settings: Settings) -> Check:
    """Every recipe can be read, and everybody whom one names as a reviewer can answer."""
    found = [load_recipe(path) for path in sorted(settings.recipes.glob("*.toml"))]
    require_reviewers(found, settings)
    return Check("recipes", ok=bool(found), detail=", ".join(r.name for r in found) or f"none in {settings.recipes}")


def secrets(settings: Settings) -> Check:
    folder = settings.home / "secrets"
    if not folder.exists():
        return Check("secrets", ok=True, detail="none yet; the first `scriptorium up` makes them")
    beside = (settings.home / "airflow" / "airflow.cfg", settings.home / "mlflow" / "mlflow.env")
    files = [folder, *folder.iterdir(), *beside]
    open_ones = [p for p in files if p.exists() and stat.S_IMODE(p.stat().st_mode) & 0o077]
    if open_ones:
        cure = f"chmod go= {' '.join(map(str, open_ones))}; then delete {folder} and start again for new secrets"
        return Check("secrets", ok=False, detail=f"others can read {open_ones[0]}", cure=cure)
    return Check("secrets", ok=True, detail=f"readable by {os.environ.get('USER') or 'their owner'} only")


def running(settings: Settings) -> Check:
    """The services are healthy, or none runs and their ports are free."""
    rows = services.status(settings)
    bad = [f"{row.name}: {row.state}" for row in rows if not row.healthy]
    if not bad:
        return Check("services", ok=True, detail=f"{len(rows)} healthy, {sum(r.memory_mb for r in rows)} MB")
    if not state_file(settings).exists():
        require_free(ports(settings))
        return Check("services", ok=True, detail="not started; their ports are free")
    return Check("services", ok=False, detail="; ".join(bad), cure="scriptorium up; their logs are in HOME/logs")


CHECKS: dict[str, Callable[[Settings], Check]] = {
    "python": python,
    "packages": packages,
    "torch": torch,
    "disk": disk,
    "memory": memory,
    "data": data,
    "dvc remote": remote,
    "artifacts": artifacts,
    "recipes": recipes,
    "secrets": secrets,
    "services": running,
}
