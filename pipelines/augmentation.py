"""`finetune.augment`: changed copies of the training rows, made after the split and never like a row to judge with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from models.tasks.task import Row, Task
from pipelines.artifact import write_json
from pipelines.augment_recipe import Augment
from pipelines.errors import Refused
from pipelines.examples import read_split
from pipelines.near_duplicates import NearIndex
from pipelines.steps import Work
from pipelines.text_form import plain

# Texts, and a seed for each, to the same texts with other words.
Change = Callable[[Sequence[str], Sequence[str]], list[str]]


def augmented(work: Work, task: Task, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows and their changed copies, which are written to augmented.jsonl, and counted in augmentation.json.

    A copy that is nearly a validation or test row is dropped, and so is one in which nothing changed or that is there.
    """
    held = [_text(task, row) for split in ("validation", "test") for row in read_split(work, split)]
    index, seen, known = NearIndex(), {plain(_text(task, row)) for row in rows}, {plain(text) for text in held}
    index.add(held)
    copies = _copies(work, task, rows)
    near = {place for place, _ in index.find(_text(task, copy) for copy in copies)}
    kept, dropped = [], Counter[str](near_held_out=0, already_there=0)
    for place, copy in enumerate(copies):
        form = plain(_text(task, copy))
        is_held_out = form in known or place in near
        reason = "near_held_out" if is_held_out else "already_there" if form in seen else ""
        seen.add(form)
        if reason:
            dropped[reason] += 1
        else:
            kept.append(copy)
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in kept)
    (work.out / "augmented.jsonl").write_text("".join(lines), encoding="utf-8")
    write_json(work.out / "augmentation.json", {"rows": len(rows), "added": len(kept), "dropped": dict(dropped)})
    told = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in dropped.items())
    print(f"augmentation: {len(kept):,} copies of {len(rows):,} rows (dropped: {told})", flush=True)
    return [*map(dict, rows), *kept]


def _copies(work: Work, task: Task, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every copy of every row, each with an id of its own and the group of its row."""
    augment, found = work.run.recipe.finetune.augment, []
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
    return found


def _by_model(work: Work, augment: Augment) -> Change:
    from models.augment import with_likely_words
    from models.backbone import load_masked

    model, tokenizer = load_masked(work.inputs["model"] / "model")
    tokenizer.model_max_length = work.run.recipe.finetune.max_length
    return lambda texts, seeds: with_likely_words(model, tokenizer, texts, augment.share, seeds)


def _by_table(work: Work, augment: Augment) -> Change:
    from models.augment import table_of, with_synonyms

    table = table_of(_sets(work, str(augment.synonyms)))
    return lambda texts, seeds: [
        with_synonyms(text, table, augment.share, seed) for text, seed in zip(texts, seeds, strict=True)
    ]


def _sets(work: Work, name: str) -> list[list[str]]:
    """The sets of a synonym table. Raises Refused naming file and line of one that is no set of two words or more."""
    path = work.inputs["dataset"] / name
    if not path.is_file():
        raise Refused(f"finetune.augment.synonyms: data/ has no {name}; put it there, and `scriptorium data commit`")
    found = []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    for number, line in enumerate(lines, 1):
        words = [word.strip() for word in line.split("\t") if word.strip()]
        if len({word.lower() for word in words}) == 1:
            raise Refused(f"{path}, line {number}: {words[0][:40]!r} stands alone; give two words or more, with tabs")
        found += [words] if words else []
    return found


def _text(task: Task, row: Row) -> str:
    return "\n".join(task.read(row))
