"""Recommendation: what a user liked and a candidate in, whether the user will like it out."""

from models.tasks import clicks
from models.tasks.task import Task

RECOMMENDATION = Task(
    name="recommendation",
    format="recommendation",
    version=1,
    answer="click",
    texts=("title", "text"),
    target="label",
    primary="auc",
    measures=clicks.MEASURES,
    metrics=clicks.measured,
    statistics=clicks.resampled,
    example=clicks.example,
    optional=("user_id", "item_id", "timestamp"),
    rivals=("popularity", "item_and_user_mean"),
)
