"""What is expected of data, as Great Expectations suites in code, and what to do when it is not so."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.tasks.task import Task


@dataclass(frozen=True)
class Check:
    """A bound on one metric of `pipelines/data_metrics.py`, in words for people, with its cure."""

    metric: str
    what: str
    cure: str
    at_least: float | None = None
    at_most: float | None = None


FILE = (
    Check("malformed_lines", "lines that are no row of the format", "correct these lines", at_most=0),
    Check("rows", "rows", "add rows; so few neither teach nor prove anything", at_least=10),
    Check("repeated_ids", "ids used before in the file", "give every row its own id", at_most=0),
    Check("empty_texts", "rows with an empty text", "remove these rows, or fill in their text", at_most=0),
    Check("longest_text", "characters of the longest text", "split this text, or remove it", at_most=200_000),
    Check("copies_share", "share of rows that copy an earlier one", "remove the copies", at_most=0.01),
)
CORPUS = (
    *FILE,
    Check("training_rows", "rows to train on", "mark fewer rows as heldout", at_least=1),
    Check("heldout_in_training", "held-out texts also trained on", "remove them from one side", at_most=0),
)
LABELLED = (
    Check("labels", "different labels", "add examples of another label", at_least=2),
    Check("rarest_label_share", "share of the rarest label", "add examples of it, or drop the label", at_least=0.005),
    Check("contradictions_share", "share of texts with two labels", "decide on one label for each", at_most=0.01),
)
SPLITS = (
    Check("ids_in_two_splits", "ids used in two splits", "give every row its own id", at_most=0),
    Check("test_in_training", "test rows also trained or selected on", "remove them from training", at_most=0),
    Check("validation_in_training", "validation rows also in training", "remove them from training", at_most=0),
    Check(
        "near_duplicate_share",
        "share of test rows nearly in train or validation",
        "split by document, so that near copies stand on one side",
        at_most=0.02,
    ),
    Check(
        "test_in_corpus_share",
        "share of test texts in the corpus to train on",
        "remove these texts from the corpus, or mark them as heldout",
        at_most=0.01,
    ),
)
LABELLED_SPLITS = (Check("unknown_labels", "labels that training never showed", "correct these labels", at_most=0),)


def examples_checks(task: Task) -> tuple[Check, ...]:
    """The checks on one split of a task."""
    return FILE + (LABELLED if task.answer == "label" else ())


def splits_checks(task: Task) -> tuple[Check, ...]:
    """The checks across the splits of a task."""
    return SPLITS + (LABELLED_SPLITS if task.answer == "label" else ())


def judge(subject: str, metrics: Mapping[str, float], checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Let Great Expectations judge a one-row table of metrics; its results, one JSON object per expectation.

    A metric without a value, or one that no check looks at, fails.
    """
    import pandas as pd  # type: ignore[import-untyped]

    gx = _great_expectations()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas("metrics").add_dataframe_asset(subject)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": pd.DataFrame([metrics], dtype=float)}
    )
    result = batch.validate(gx.ExpectationSuite(name=subject, expectations=list(_expectations(checks))))
    return [entry.to_json_dict() for entry in result.results]


def _expectations(checks: Sequence[Check]) -> Any:
    from great_expectations import expectations as gxe

    yield gxe.ExpectTableColumnsToMatchSet(column_set=[check.metric for check in checks], exact_match=True)
    for check in checks:
        yield gxe.ExpectColumnValuesToNotBeNull(column=check.metric)
        yield gxe.ExpectColumnMaxToBeBetween(
            column=check.metric, min_value=check.at_least, max_value=check.at_most, meta={"what": check.what}
        )


def _great_expectations() -> Any:
    # Both must be set before the import: it starts its analytics, and logs hundreds of lines, while it is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    return great_expectations
