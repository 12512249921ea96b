"""One DAG per recipe: learn the domain, learn the task, prove it, ask a person, promote."""

import json
from contextlib import suppress
from datetime import timedelta

import pendulum
from airflow.sdk import DAG, BaseNotifier, Param, dag

from dags.child import RETRIES
from dags.form import trigger_form
from dags.review import Review, SecondReview
from dags.schedule import DATASET, when
from dags.step import step
from pipelines.decision import REVIEWS
from pipelines.errors import Refused
from pipelines.identity import airflow_users
from pipelines.notice import notice
from pipelines.recipe import Recipe
from pipelines.recipe_file import load_recipe
from pipelines.review import read_packet
from pipelines.settings import read_settings


def train(recipe: Recipe) -> DAG:
    """Build `train__<recipe>`. Every task passes on one URI; no data goes through XCom."""

    @dag(
        dag_id=f"train__{recipe.name}",
        description=recipe.description,
        schedule=when(recipe.retrain.cron, *([DATASET] if recipe.retrain.on_new_data else [])),
        start_date=pendulum.datetime(2026, 11, 1, tz="UTC"),
        catchup=False,
        max_active_runs=1,
        params=trigger_form(recipe),
        tags=["train", recipe.task],
        user_defined_macros={"packet": read_packet, "json": json, "notice": notice},
        doc_md=f"{recipe.description}.\n\nIt ends with a champion, or with the reason why not.",
    )
    def pipeline() -> None:
        run = step("freeze")(
            recipe=recipe.name,
            run="{{ run_id }}",
            form="{{ json.dumps(dict(params)) }}",
            requester="{{ dag_run.triggering_user_name or 'schedule' }}",
        )
        dataset = step("dataset")(run)
        validation = step("validate")(run, dataset=dataset)
        base = step("base")(run, dataset=dataset, validation=validation)
        adapted = step("pretrain")(run, dataset=dataset, base=base)
        tuned = step("finetune")(run, dataset=dataset, model=adapted)
        control = ""
        if recipe.evaluate.control:
            control = step("finetune", task_id="finetune_without_pretraining")(run, dataset=dataset, model=base)
            tuned >> control  # two trainings at once would only fight for the same cores
        teacher = ""
        if recipe.releases_student:
            teacher, tuned = tuned, step("distil")(run, dataset=dataset, teacher=tuned)
        others = {"control": control, "teacher": teacher}
        report = step("evaluate")(run, dataset=dataset, base=base, adapted=adapted, tuned=tuned, **others)
        dossier = step("check_gates")(run, report=report)
        candidate = step("register")(run, dossier=dossier)
        question = {
            "body": "{{ packet(ti.xcom_pull('check_gates')) }}",
            "options": ["Approve", "Reject"],
            "params": {"reason": Param(None, type=["null", "string"], format="multiline", title="Reason (required)")},
            "assigned_users": airflow_users(recipe.review.reviewers, read_settings()),
            "response_timeout": timedelta(days=recipe.review.expires_days),
            "notifiers": notifiers(recipe),
            **RETRIES,
        }
        subject = f"Make the new {recipe.name} the champion?"
        first = Review(task_id=REVIEWS[0], subject=subject, **question)
        second = SecondReview(task_id=REVIEWS[1], subject=f"{subject} It takes a second approval.", **question)
        # None failed: where one approval is enough, the second review is skipped.
        answer = step("record_review", trigger_rule="none_failed")(run, candidate=candidate, dossier=dossier)
        candidate >> first >> second >> answer
        step("promote")(run, candidate=candidate, review=answer)

    return pipeline()


def notifiers(recipe: Recipe) -> list[BaseNotifier]:
    """What tells the reviewers that they are asked, where the recipe wants them told."""
    if not recipe.review.notify:
        return []
    # Few recipes use it, and every parsing of the DAGs would wait for it.
    from dags.notice import Notice  # noqa: PLC0415

    return [Notice(title="{{ task.subject }}", body="{{ notice(task.body) }}", apprise_conn_id=recipe.review.notify)]


for path in sorted(read_settings().recipes.glob("*.toml")):
    # dags/recipes.py reports a refused one, which must not take the DAGs and the running tasks of the others with it.
    with suppress(Refused):
        globals()[f"train__{path.stem}"] = train(load_recipe(path))
