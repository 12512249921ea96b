"""When a DAG begins by itself: at a time, when the data have a new version, or when something is dropped."""

from typing import Any

from airflow.providers.standard.triggers.file import DirectoryFileDeleteTrigger
from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable

from pipelines.announce import ASSET
from pipelines.recipe import Recipe
from pipelines.storage import place

DATASET = Asset(ASSET)
READY = "_READY"  # dropped last, it says that the files beside it are whole


def when(cron: str | None, *assets: Asset) -> Any:
    """The schedule of a DAG that runs by the clock (UTC), after an event of an asset, or both; None: by hand."""
    if cron and assets:
        return AssetOrTimeSchedule(timetable=CronTriggerTimetable(cron, timezone="UTC"), assets=list(assets))
    return list(assets) or cron


def dropped(recipe: Recipe) -> list[Asset]:
    """What was dropped at a recipe's source, as an asset that is watched; nothing where the recipe asks for none."""
    wanted = recipe.ingest
    if wanted.watch:
        # It deletes the marker, never the data.
        trigger = DirectoryFileDeleteTrigger(directory=place(str(wanted.source)), filename=READY, poke_interval=5.0)
    elif wanted.queue:
        trigger = _queue(wanted.queue)
    else:
        return []
    return [Asset(f"dropped_for_{recipe.name}", watchers=[AssetWatcher(name="dropped", trigger=trigger)])]


def _queue(url: str) -> Any:
    # Few installations have it; a recipe with a queue is refused where it is missing.
    from airflow.providers.amazon.aws.triggers.sqs import SqsSensorTrigger  # noqa: PLC0415

    # Credentials are boto3's, as they are for the bucket.
    return SqsSensorTrigger(sqs_queue=url, aws_conn_id=None, max_messages=10, wait_time_seconds=20, waiter_delay=10)
