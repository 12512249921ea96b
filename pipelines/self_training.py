"""`finetune.self_training`: a model's sure answers to unlabelled texts are training rows of the next one.

Self-training with a threshold (Scudder 1965; Yarowsky 1995); each round begins at the base again, so that a mistake of
the round before is not learned twice.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from models.tasks import TASKS
from models.tasks.labels import answer_of
from pipelines.artifact import read_kept, sha256_text, write_json
from pipelines.corpus import some_training_texts
from pipelines.examples import Rows, read_split
from pipelines.loop_progress import progress
from pipelines.near_duplicates import near_known
from pipelines.self_training_recipe import SelfTraining
from pipelines.steps import Work
from pipelines.text_form import plain

if TYPE_CHECKING:
    from models.record import Record


class Tuned(NamedTuple):
    """A model with the weights of its best epoch, its tokenizer, and what the training did."""

    model: Any
    tokenizer: Any
    record: Record


# Trains from the base on the training rows and these.
Training = Callable[[Work, Rows], Tuned]


def self_trained(work: Work, settings: SelfTraining, training: Training) -> tuple[Tuned, list[dict[str, Any]]]:
    """The model of the best round, and what each round did: texts taken, of which labels, the metric before and after.

    The first model learns the labelled rows alone. A round that does not validate better is the last, and is dropped;
    so is one that finds nothing new to learn. The rows that the model learned lie in pseudo_labelled.jsonl.
    """
    best, texts = training(work, []), unlabelled(work, settings.corpus)
    learned, rounds = Rows(), list[dict[str, Any]]()
    for number in range(1, settings.rounds + 1):
        of_round = _in_round(work, number)
        rows = _chosen(of_round, best, texts, settings)
        told = {"round": number, "asked": len(texts), "taken": len(rows), "labels": _counts(rows)}
        told["before"] = told["after"] = _validated(work, best)
        if is_new := bool(rows) and rows != learned:
            student = training(of_round, rows)
            told["after"] = _validated(work, student)
        rounds.append(told | {"kept": is_new and _is_better(work, told)})
        _tell(work, rounds[-1])
        if not rounds[-1]["kept"]:
            break
        best, learned = student, rows
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in learned)
    (work.out / "pseudo_labelled.jsonl").write_text("".join(lines), encoding="utf-8")
    return best, rounds


def unlabelled(work: Work, most: int) -> list[str]:
    """Texts of the domain, each once; none that stands in the examples, or nearly."""
    task = TASKS[work.run.recipe.task]
    known = ["\n".join(task.read(row)) for split in ("train", "validation", "test") for row in read_split(work, split)]
    texts = list({plain(text): text for text in some_training_texts(work, work.run.recipe.data.corpus, most)}.values())
    found = [text for text, is_known in zip(texts, near_known(texts, known), strict=True) if not is_known]
    print(f"{len(found):,} texts of the domain to ask about ({len(texts) - len(found):,} are examples)", flush=True)
    return found


def pseudo_labelled(texts: Sequence[str], answers: Sequence[Mapping[str, float]], settings: SelfTraining) -> Rows:
    """The texts whose likeliest label reaches the threshold, with it: of each label the `most` surest, in text order.

    `answers` are the probabilities of all labels for each text.
    """
    said = [str(answer_of(chances)["prediction"]) for chances in answers]
    sure = [n for n, label in enumerate(said) if answers[n][label] >= settings.threshold]
    taken, counts = set[int](), Counter[str]()
    for n in sorted(sure, key=lambda n: (-answers[n][said[n]], n)):
        if not settings.most or counts[said[n]] < settings.most:
            counts[said[n]] += 1
            taken.add(n)
    return [{"id": f"corpus~{sha256_text(texts[n])[:16]}", "text": texts[n], "label": said[n]} for n in sorted(taken)]


def _chosen(of_round: Work, tuned: Tuned, texts: Sequence[str], settings: SelfTraining) -> Rows:
    """The texts that a round learns, chosen once: a machine that goes on with it might be sure of others."""
    kept = of_round.checkpoints / "rows.json"
    if (rows := read_kept(kept)) is None:
        rows = pseudo_labelled(texts, _answers(tuned, texts), settings)
        write_json(kept, rows)
    return list(rows)


def _answers(tuned: Tuned, texts: Sequence[str]) -> list[dict[str, float]]:
    from models.predict import classify

    return classify(tuned.model, tuned.tokenizer, [(text,) for text in texts], progress("texts"))


def _in_round(work: Work, number: int) -> Work:
    """The work with checkpoints of the round's own, beside those of the first training."""
    folder = work.checkpoints.with_name(f"round-{number}")
    folder.mkdir(exist_ok=True)
    return replace(work, checkpoints=folder)


def _validated(work: Work, tuned: Tuned) -> float:
    """The metric that epochs are compared by, of the best one."""
    metric = TASKS[work.run.recipe.task].validated
    return float(tuned.record.epochs[tuned.record.best_epoch - 1]["validation"][metric])


def _is_better(work: Work, told: Mapping[str, Any]) -> bool:
    from models.metrics import HIGHER_IS_BETTER

    higher = HIGHER_IS_BETTER[TASKS[work.run.recipe.task].validated]
    return bool(told["after"] > told["before"] if higher else told["after"] < told["before"])


def _counts(rows: Rows) -> dict[str, int]:
    return dict(Counter(sorted(row["label"] for row in rows)))


def _tell(work: Work, told: Mapping[str, Any]) -> None:
    metric = TASKS[work.run.recipe.task].validated
    labels = ", ".join(f"{label} {count:,}" for label, count in told["labels"].items())
    end = "kept" if told["kept"] else "dropped, and the last"
    print(
        f"self-training, round {told['round']}: {told['taken']:,} of {told['asked']:,} texts ({labels or 'none'}); "
        f"{metric} {told['before']:.4f} -> {told['after']:.4f}: {end}",
        flush=True,
    )
