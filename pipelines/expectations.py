"""What is expected of data, as Great Expectations suites in code, and what to do when it is not so."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipelines.findings import Severity


@dataclass(frozen=True)
class Check:
    """A bound on one number about some rows, in words for people, with its cure; more than one may share a name."""

    name: str
    what: str
    cure: str
    at_least: float | None = None
    at_most: float | None = None
    of: Literal["rows", "share", "value"] = "rows"
    severity: Severity = "reject"

    @property
    def metric(self) -> str:
        return self.name if self.of == "rows" else f"{self.name}_{self.of}"


def judge(subject: str, metrics: Mapping[str, float], checks: Sequence[Check]) -> list[dict[str, Any]]:
    """Let Great Expectations judge a one-row table of metrics; its results, one JSON object per expectation.

    A metric without a value, or one that no check looks at, fails.
    """
    import pandas as pd  # type: ignore[import-untyped]

    gx = _great_expectations()
    asset = _context(gx).data_sources.add_pandas("metrics").add_dataframe_asset(subject)
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": pd.DataFrame([metrics], dtype=float)}
    )
    result = batch.validate(gx.ExpectationSuite(name=subject, expectations=list(_expectations(checks))))
    return [entry.to_json_dict() for entry in result.results]


def failed(checks: Sequence[Check], results: Sequence[Mapping[str, Any]]) -> list[Check]:
    """The checks that the results of `judge` say are not met, or say nothing about."""
    met = set()
    missing = {r["expectation_config"]["kwargs"].get("column") for r in results if not r["success"] and _is_presence(r)}
    for result in results:
        given = result["expectation_config"]["kwargs"]
        if result["success"] and not _is_presence(result):
            met.add((given.get("column"), given.get("min_value"), given.get("max_value")))
    return [c for c in checks if c.metric in missing or (c.metric, c.at_least, c.at_most) not in met]


def _is_presence(result: Mapping[str, Any]) -> bool:
    return bool(result["expectation_config"]["type"] == "expect_column_values_to_not_be_null")


def _expectations(checks: Sequence[Check]) -> Any:
    from great_expectations import expectations as gxe

    yield gxe.ExpectTableColumnsToMatchSet(column_set=sorted({check.metric for check in checks}), exact_match=True)
    for metric in dict.fromkeys(check.metric for check in checks):
        yield gxe.ExpectColumnValuesToNotBeNull(column=metric)
    for check in checks:
        yield gxe.ExpectColumnMaxToBeBetween(
            column=check.metric,
            min_value=check.at_least,
            max_value=check.at_most,
            meta={"what": check.what, "severity": check.severity},
        )


def _great_expectations() -> Any:
    # Both must be set before the import: it starts its analytics, and logs hundreds of lines, while it is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    return great_expectations


def _context(gx: Any) -> Any:
    """A context in memory, without the folder for web pages that an ephemeral one makes and leaves behind."""
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    config = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults())
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False}
    return context
