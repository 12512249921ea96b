"""`finetune.augment`: changed copies of the training rows, made after the split and never like a row to judge with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from models import stop
from models.tasks.task import Row, Task
from pipelines.artifact import read_kept, write_json
from pipelines.augment_files import slots_of, synonym_sets
from pipelines.augment_recipe import Augment
from pipelines.back_translation import back_translated
from pipelines.examples import read_split
from pipelines.formats import FORMATS, allowed_values
from pipelines.loop_progress import progress
from pipelines.near_duplicates import near_known
from pipelines.rows import read_rows
from pipelines.steps import Work
from pipelines.text_form import plain

# Texts, and a seed for each, to the same texts with other words.
Change = Callable[[Sequence[str], Sequence[str]], list[str]]


def augmented(work: Work, task: Task, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows and their changed copies, which are written to augmented.jsonl, and counted in augmentation.json.

    They are made once, for all rounds of a self-training too, and kept in the checkpoints: a training that goes on
    elsewhere must not draw others.
    """
    written, kept = work.out / "augmented.jsonl", work.checkpoints / "augmented.json"
    if written.is_file():
        return [*map(dict, rows), *read_rows(written)]
    if (made := read_kept(kept)) is None:
        made = _made(work, task, rows)
        write_json(kept, made)
    copies, dropped = made["copies"], made["dropped"]
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in copies)
    written.write_text("".join(lines), encoding="utf-8")
    write_json(work.out / "augmentation.json", {"rows": len(rows), "added": len(copies), "dropped": dropped})
    told = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items())
    print(f"augmentation: {len(copies):,} copies of {len(rows):,} rows (dropped: {told})", flush=True)
    return [*map(dict, rows), *copies]


def _made(work: Work, task: Task, rows: Sequence[Row]) -> dict[str, Any]:
    """The copies that are kept, and how many others were dropped for which reason.

    A copy that is nearly a validation or test row is dropped, or asks nearly what one asks, whatever the answer. So is
    one in which nothing changed or that is there, or in which a value of a slot is left.
    """
    held = [row for split in ("validation", "test") for row in read_split(work, split)]
    made, seen = _copies(work, task, rows), {plain(_text(task, row)) for row in rows}
    copies = [copy for copy in made if copy is not None]
    texts = [_text(task, copy) for copy in copies]
    near = zip(*(near_known(list(map(of, copies)), list(map(of, held))) for of in _sides(task)), strict=True)
    kept, dropped = [], Counter[str](near_held_out=0, already_there=0, incomplete=len(made) - len(copies))
    for copy, text, is_near in zip(copies, texts, near, strict=True):
        form = plain(text)
        reason = "near_held_out" if any(is_near) else "already_there" if form in seen else ""
        seen.add(form)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(copy)
    return {"copies": kept, "dropped": dict(dropped)}


def _copies(work: Work, task: Task, rows: Sequence[Row]) -> list[dict[str, Any] | None]:
    """Every copy of every row, each with an id of its own and the group of its row; None for one that failed."""
    augment, found = work.run.recipe.finetune.augment, list[dict[str, Any] | None]()
    for kind in ("synonyms", "masked"):
        if augment is None or not getattr(augment, kind):
            continue
        change = (_by_table if kind == "synonyms" else _by_model)(work, augment)
        for number in range(1, augment.copies + 1):
            places = [(row, column) for row in rows for column in task.texts]
            seeds = [f"{work.run.recipe.seed}/{kind}/{number}/{row['id']}/{column}" for row, column in places]
            changed = iter(change([str(row[column]) for row, column in places], seeds))
            for row in rows:
                own = {"id": f"{row['id']}~{kind}{number}", "group": task.group(row)}
                found.append({**row, **{column: next(changed) for column in task.texts}, **own})
    if augment and augment.slots:
        found += _with_slots(work, augment, task, rows)
    if augment and augment.back_translation:
        found += back_translated(work, augment.back_translation, task, rows)
    return found


def _by_model(work: Work, augment: Augment) -> Change:
    from models.augment import with_likely_words
    from models.backbone import load_masked

    model, tokenizer = load_masked(work.inputs["model"] / "model")
    tokenizer.model_max_length = work.run.recipe.finetune.max_length
    return lambda texts, seeds: with_likely_words(model, tokenizer, texts, augment.share, seeds)


def _by_table(work: Work, augment: Augment) -> Change:
    from models.augment import table_of, with_synonyms

    table = table_of(synonym_sets(work.inputs["dataset"], str(augment.synonyms)))
    return lambda texts, seeds: [
        with_synonyms(text, table, augment.share, seed)
        for text, seed in _each(list(zip(texts, seeds, strict=True)), "texts")
    ]


def _with_slots(work: Work, augment: Augment, task: Task, rows: Sequence[Row]) -> Iterator[dict[str, Any] | None]:
    """Every copy of every row with other values of slots; None for a row in which one would stay."""
    from models.slots import Slots, with_other_values

    slots = Slots(slots_of(work.inputs["dataset"], str(augment.slots)))
    written = (task.target,) if task.answer == "text" else ()
    # A column of fixed values names none of a slot's.
    optional = [column for column in task.optional if not allowed_values(FORMATS[task.format], column)]
    columns = (*task.texts, *optional, *written, "refs")
    for number in range(1, augment.copies + 1):
        for row in _each(rows, "rows"):
            texts = {column: row[column] for column in columns if row.get(column) is not None}
            seed = f"{work.run.recipe.seed}/slots/{number}/{row['id']}"
            changed = with_other_values(list(_strings(texts)), slots, seed)
            own = {"id": f"{row['id']}~slots{number}", "group": task.group(row)}
            yield None if changed is None else {**row, **_filled(texts, iter(changed)), **own}


def _each(items: Sequence[Any], unit: str) -> Iterator[Any]:
    """The items, one after another; says how far it is, and ends where a stop was requested."""
    tell = progress(unit)
    for done, item in enumerate(items, 1):
        stop.check("augmenting")
        yield item
        tell(done, len(items))


def _strings(value: Any) -> Iterator[str]:
    """The texts within a value, in order; who speaks in a dialog is none."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for key, inner in value.items() if key != "role" for text in _strings(inner))
    elif isinstance(value, list | tuple):
        yield from (text for inner in value for text in _strings(inner))


def _filled(value: Any, texts: Iterator[str]) -> Any:
    """The value with the next texts in the place of its own."""
    if isinstance(value, str):
        return next(texts)
    if isinstance(value, Mapping):
        return {key: inner if key == "role" else _filled(inner, texts) for key, inner in value.items()}
    return [_filled(inner, texts) for inner in value] if isinstance(value, list | tuple) else value


def _sides(task: Task) -> list[Callable[[Row], str]]:
    """What of a row may not be nearly that of one to judge by: all of it, and where texts are written what is asked."""
    whole = partial(_text, task)
    return [whole, partial(_asked, task)] if task.answer == "text" else [whole]


def _asked(task: Task, row: Row) -> str:
    """What a text is written to: without the words of a task's own prompt, which all rows share."""
    return task.asked(row).text if task.format == "dialog" else "\n".join(task.read(row))


def _text(task: Task, row: Row) -> str:
    """What makes a row the same as another: what is read, and of written texts the answer too."""
    return "\n".join((task.asked(row).text, str(row[task.target])) if task.answer == "text" else task.read(row))
