"""Promotion: the recorded approval, checked anew, and then these bytes and no others become the champion.

Every action can be done twice: a promotion that was killed anywhere is finished by running it again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pipelines import dossier as dossiers
from pipelines import ledger, mirror, registry
from pipelines.artifact import NotWhole, publish, read_json
from pipelines.champion import champion, changing, history, is_served, write_down
from pipelines.decision import Review, decide, with_judged
from pipelines.dossier import Dossier, check_belonging, refuse_unless_passed, whole
from pipelines.errors import NothingToDo, Refused
from pipelines.examples import test_file
from pipelines.gates import judge
from pipelines.policy import run_to_decide
from pipelines.production import production_folder
from pipelines.review import facts, read_answers, read_review
from pipelines.run import Run
from pipelines.settings import Settings, read_settings
from pipelines.try_out import try_out


def promote(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Make the approved candidate the champion, and return models:/NAME/VERSION. Never cached.

    `inputs`: candidate and review. Raises NothingToDo when the reviewer said no, and Refused when anything is not
    as approved: the answer in Airflow, the dossier, a byte of the model, the champion it was compared with, the
    recipe's gates and reviewers, the time.
    """
    settings = read_settings()
    run = run_to_decide(run_uri, settings)
    review = read_review(inputs["review"], settings)
    dossier = dossiers.read(dossiers.dossier_uri(review.dossier, settings), settings)
    check_belonging(dossier, run_uri)
    check_answer(review, run, dossier, inputs["candidate"], settings)
    check_age(review, run, datetime.now(UTC))
    check_evidence(dossier, run)
    with changing(dossier.name, settings):
        version = release(dossier, review, settings)
    print(f"{dossier.name} version {version} went out, approved by {review.reviewers}", flush=True)
    return f"models:/{dossier.name}/{version}"


def check_answer(review: Review, run: Run, dossier: Dossier, candidate: str, settings: Settings) -> None:
    """Refuse unless Airflow's own record of the answers still says what was written down, and it is an approval."""
    recorded = decide(read_answers(run, dossier, settings), run, dossier, candidate)
    # Airflow knows nothing of judgements.
    if recorded != with_judged(review, {}):
        raise Refused(f"Airflow's record of the review of {run.run_id} is not what was written down as its review")
    if review.decision != "approved":
        raise NothingToDo(f"{review.reviewer} rejected the candidate: {review.reason}; the champion stays as it is")


def check_age(review: Review, run: Run, now: datetime) -> None:
    """Refuse approvals of which one is older than the recipe lets it be."""
    days, oldest = run.recipe.review.expires_days, min(one.decided_at for one in review.given)
    if now > oldest + timedelta(days=days):
        raise Refused(f"the approval of {oldest:%Y-%m-%d} expired after {days} days; start a new run")


def check_evidence(dossier: Dossier, run: Run) -> None:
    """Judge the report again, by today's gates and from its own verified bytes, and re-hash every file of the model."""
    report = dossier.artifacts["report"]
    for source in (report, dossier.model):
        if whole(source.uri).digest != source.digest:
            raise Refused(f"{source.uri} is not what the dossier names: its digest differs")
    check_test_rows(dossier, run)
    verdicts = judge(run.recipe.gates, read_json(mirror.here(report.uri) / "report.json"))
    if tuple(verdicts) != dossier.gates:
        raise Refused(
            f"the recipe's gates of today judge the report otherwise than dossier {dossier.sha256[:12]} says: they "
            "were changed since; start a new run, which reuses every training"
        )
    refuse_unless_passed(verdicts)


def check_test_rows(dossier: Dossier, run: Run) -> None:
    """Refuse where the rows that the model was judged by are not those that the report names, any more."""
    source, name = dossier.artifacts["dataset"], str(test_file(Path(), run.recipe))
    try:
        rows = mirror.file_of(source.uri, name)
    except NotWhole as error:
        raise Refused(f"the evidence is not whole: {error}") from None
    found = sha256(rows or b"").hexdigest()
    if found != dossier.report["test_sha256"]:
        told = f"holds other test rows ({found[:12]}) than those that the model was judged by"
        raise Refused(f"{source.uri}/{name} {told}; nothing was promoted")


def release(dossier: Dossier, review: Review, settings: Settings) -> str:
    """Copy, register, try, move the alias, each written down; the caller holds the lock. Returns the version."""
    entries = history(dossier.name, settings)
    done = (ledger.find(entries, event, dossier.sha256) for event in ledger.PROMOTIONS)
    if before := next(filter(None, done), None):
        now = ledger.line(entries)[-1]
        told = f"was promoted before, as version {before.facts['version']}; the champion today is version {now}"
        print(f"dossier {dossier.sha256[:12]} {told}", flush=True)
        return record(before.event, before.facts["version"], dossier, review, settings)
    registered = ledger.find(entries, "registered", dossier.sha256)
    if registered is None:
        held = champion(dossier.name, settings)
        registry.require_opponent(dossier, held.version if held else None)
        if held and held.digest == dossier.model.digest and is_served(dossier.name, held.version, settings):
            return record("reaffirmed", held.version, dossier, review, settings)
        made = registry.register_promoted(copy_bytes(dossier, settings), dossier, settings)
        # From here on a promotion that was killed goes on with this version, whose files the ledger knows.
        registered = write_down("registered", dossier, {**facts(review, dossier), **made}, settings)
    version = registered.facts["version"]
    try_out(version, dossier, settings)
    registry.move_champion(dossier, version, settings)
    return record("promoted", version, dossier, review, settings)


def copy_bytes(dossier: Dossier, settings: Settings) -> Path:
    """Copy the model's artifact to its place among the promoted, flushed to the disk and hashed there."""
    target = production_folder(dossier.name, dossier.model.digest, settings)
    is_here = mirror.settled(target, settings) or target.exists()
    if not (is_here and whole(str(target)).digest == dossier.model.digest):
        part = target.with_name(f".{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(mirror.here(dossier.model.uri), part)
        for path in [*part.rglob("*"), part]:
            flush(path)
        if whole(str(part)).digest != dossier.model.digest:
            raise Refused(f"{dossier.model.uri} changed while it was copied; nothing was promoted")
        publish(part, target)
        flush(target.parent)
    print(f"promoted bytes: {mirror.send(target, settings)}", flush=True)
    return target


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def record(event: ledger.Event, version: str, dossier: Dossier, review: Review, settings: Settings) -> str:
    """Write the promotion into the ledger, and what MLflow should show of it. Returns the version."""
    write_down(event, dossier, {**facts(review, dossier), "version": version}, settings)
    registry.clear_challenger(dossier.name, review.candidate, settings)
    return version
