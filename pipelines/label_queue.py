"""Which rows of a pool to have labelled next, by a recipe's model; and the answers, as rows that can be ingested."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models import threads
from models.tasks import TASKS
from models.tasks.labels import answer_of
from models.tasks.task import Row, Task
from pipelines import flow, local
from pipelines.errors import Refused, near_miss
from pipelines.label_formats import LABEL_FORMATS, SAID, Queued
from pipelines.mirror import here
from pipelines.near_duplicates import near_known
from pipelines.new_file import require_free, write_new
from pipelines.predict import wrong
from pipelines.recipe import Recipe
from pipelines.recipe_file import recipe_named
from pipelines.rows import FORMATS as ROWS
from pipelines.rows import lines, parse, problems, read_rows
from pipelines.settings import Settings
from pipelines.text_form import plain

SPLITS = ("train", "validation", "test")


def label_queue(  # noqa: PLR0913
    recipe: str, pool: Path, out: Path, settings: Settings, *, count: int, form: str, uncertainty: str, seed: int
) -> dict[str, Any]:
    """Write the `count` rows of a pool whose labels would teach the recipe's model most; returns what was found.

    Raises Refused for a task without one label, for a recipe without a model, for rows that it cannot read, when every
    row is labelled already, and when `out` exists.
    """
    task, known = _label_task(recipe, settings), recipe_named(recipe, settings)
    setup = out.with_name(out.name + ".xml") if LABEL_FORMATS[form].setup else None
    for path in filter(None, (out, setup)):
        require_free(path)
    if not pool.is_file():
        raise Refused(f"--pool {pool} is no file; name one of JSON lines, a row of the task in each")
    rows, left_out = unlabelled(task, pool_rows(task, known, pool), labelled_texts(task, known, settings))
    if not rows:
        raise Refused(f"{pool} has no row to label: {_told(left_out) or 'it is empty'}")
    source, folder = model_of(recipe, settings)
    threads.use(settings.threads)
    queue, labels = ranked(task, folder, rows, count, uncertainty, seed)
    if setup and (tell := LABEL_FORMATS[form].setup):
        write_new(setup, tell(task, labels))
    write_new(out, LABEL_FORMATS[form].write(task, queue))
    return {
        "queued": len(queue), "model": source, "left_out": left_out, "file": str(out), "labels": labels,
        "setup": str(setup) if setup else None, "uncertainty": [q.uncertainty for q in queue],
    }  # fmt: skip


def _label_task(recipe: str, settings: Settings) -> Task:
    task = TASKS[recipe_named(recipe, settings).task]
    if task.answer != "label":
        named = ", ".join(name for name, other in TASKS.items() if other.answer == "label")
        raise Refused(f"{recipe}: rows of the task {task.name} have no one label to ask for, only those of {named}")
    return task


def pool_rows(task: Task, recipe: Recipe, path: Path) -> list[dict[str, Any]]:
    """The rows of a pool, without labels. Raises Refused naming file and line of one that could not be ingested."""
    found, seen = [], dict[str, int]()
    for number, line in lines(path):
        row = parse(line)
        if isinstance(row, str):
            raise Refused(f"{path}, line {number}: {row}")
        row = {name: value for name, value in row.items() if name != task.target}
        if "lang" not in row and len(recipe.language) == 1:
            row["lang"] = recipe.language[0]
        if what := wrong(row, task) or _lacks(task, row) or _taken(row):
            raise Refused(f"{path}, line {number}: {what}")
        if (first := seen.setdefault(row["id"], number)) != number:
            raise Refused(f"{path}, line {number}: the id {row['id'][:40]!r} stands in line {first} too")
        found.append(row)
    return found


def _taken(row: Row) -> str | None:
    """Which column has the name of what the model says of a queued row, or None."""
    if (name := next((one for one in SAID if one in row), None)) is None:
        return None
    return (
        f"a queue has a column {name!r} of its own, for what the model says; call this one otherwise, or leave it out"
    )


def _lacks(task: Task, row: Row) -> str | None:
    """What a row needs beside its label, or None."""
    form = ROWS[task.format]
    found = (what for _, column, what in problems({**row, task.target: "any"}, form) if column != task.target)
    return next(found, None)


def labelled_texts(task: Task, recipe: Recipe, settings: Settings) -> list[str]:
    """The texts of all rows of the recipe's training, validation and test examples, as they stand in the data now."""
    folder = settings.data / recipe.data.examples
    return [_text(task, row) for split in SPLITS for row in read_rows(folder / f"{split}.jsonl")]


def unlabelled(
    task: Task, rows: Sequence[dict[str, Any]], labelled: Sequence[str]
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows that no example is nearly like, each text once, and how many were left out for which reason."""
    texts = [_text(task, row) for row in rows]
    kept, seen, left_out = [], set[str](), Counter[str]()
    for row, text, is_known in zip(rows, texts, near_known(texts, labelled), strict=True):
        form = plain(text)
        reason = "labelled" if is_known else "twice" if form in seen else ""
        seen.add(form)
        if reason:
            left_out[reason] += 1
        else:
            kept.append(row)
    return kept, dict(left_out)


def _text(task: Task, row: Row) -> str:
    return "\n".join(task.read(row))


def model_of(recipe: str, settings: Settings) -> tuple[str, Path]:
    """Where the recipe's model lies: what `train` made of the recipe as it is now, else the champion.

    Raises Refused when there is neither.
    """
    forecasts = flow.plan(local.decide(recipe, {}, "label-queue", settings), None, settings)
    uri = next(f.uri for f in forecasts if f.stage == "finetune")
    if uri:
        return "trained", here(uri) / "model"
    champion, _ = local.champion_folder(recipe, settings)
    if champion is None:
        raise Refused(f"{recipe} has no model yet to say what it is unsure of; run `scriptorium train {recipe}` first")
    return "champion", here(champion) / "model"


def ranked(  # noqa: PLR0913, PLR0917
    task: Task, folder: Path, rows: Sequence[Row], count: int, uncertainty: str, seed: int
) -> tuple[list[Queued], list[str]]:
    """The rows to label, the first being the least sure one, and the labels that the model knows."""
    from models.backbone import load_classifier
    from models.predict import classify
    from models.sampling import UNCERTAINTY, chosen, least_sure, states
    from pipelines.loop_progress import progress

    model, tokenizer = load_classifier(folder)
    texts = [task.read(row) for row in rows]
    chances = classify(model, tokenizer, texts, progress("texts"))
    unsure = [UNCERTAINTY[uncertainty](found) for found in chances]
    looked_at = least_sure(unsure, count)
    vectors = states(model, tokenizer, [texts[n] for n in looked_at])
    places = [looked_at[n] for n in chosen([unsure[n] for n in looked_at], vectors, count, seed)]
    queue = []
    for n in places:
        said = answer_of(chances[n])["prediction"]
        queue.append(Queued(rows[n], said, round(chances[n][said], 6), round(unsure[n], 6)))
    return queue, sorted(chances[0])


def label_answers(recipe: str, file: Path, out: Path, settings: Settings, form: str) -> dict[str, Any]:
    """Write the answers of people as rows that `ingest` takes; returns how many, and what was left out.

    Where several people answered a row, the label of most of them counts; with no such, the row is left out. Raises
    Refused for a file that is not of that format, for a label that the recipe does not know, and when `out` exists.
    """
    task, known = _label_task(recipe, settings), recipe_named(recipe, settings).data.labels
    require_free(out)
    found, left_out = [], Counter[str]()
    for row, labels in _answers(task, file, form):
        label = _agreed(labels)
        if label is None:
            left_out["disagreed" if labels else "unanswered"] += 1
            continue
        if what := _lacks(task, row):
            raise Refused(f"{file}: {row.get('id')}: {what}")
        if known is not None and label not in known:
            raise Refused(f"{file}: {row['id']} is labelled {label[:40]!r}; {near_miss(label, known)}")
        found.append({**row, task.target: label})
    write_new(out, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found))
    return {"rows": len(found), "left_out": dict(left_out), "file": str(out), "labels": dict(_counted(task, found))}


def _answers(task: Task, file: Path, form: str) -> list[tuple[dict[str, Any], list[str]]]:
    try:
        found = list(LABEL_FORMATS[form].read(task, file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise Refused(f"{file} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        told = f"{type(error).__name__}: {error}"
        raise Refused(f"{file} is not what {form} exports ({told}); is it of another format, or zipped?") from None
    if odd := next((label for _, labels in found for label in labels if not isinstance(label, str)), None):
        raise Refused(f"{file}: a label is {odd!r}, not a text; ask for one choice of the labels")
    return found


def _agreed(labels: Sequence[str]) -> str | None:
    """The label of most people, or None when there is no answer or a tie."""
    ranks = Counter(labels).most_common(2)
    is_tie = len(ranks) == 2 and ranks[0][1] == ranks[1][1]
    return None if not ranks or is_tie else ranks[0][0]


def _counted(task: Task, rows: Sequence[Row]) -> Mapping[str, int]:
    return Counter(sorted(row[task.target] for row in rows))


def _told(left_out: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {reason}" for reason, number in left_out.items())
