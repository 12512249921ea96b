"""How fast training is: ours, transformers' Trainer as the stock example scripts set it up, and one tuned by an expert.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/training.py [--steps 30] [--sides ours,dropout,stock,tuned]
        [--only causal,masked,classification,summarisation,tokenisation,overhead,products]

All in one process: the same model, rows, batch size, learning rate and threads, one pass over the data. Real texts of
`shared/data`, models from scratch. Speed is of processor time of all threads, so that a busy neighbour changes little.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.benchmarks.races import (  # noqa: E402
    BATCH,
    BLOCK,
    MASKED,
    SEED,
    Race,
    causal,
    classification,
    masked,
    rows,
    summarisation,
)

RATE = 1e-3
SIDES = ("ours", "dropout", "stock", "tuned")
PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")


def ours(race: Race, model: Any, folder: Path, *, dropout: bool = False) -> None:
    """As the steps train: without dropout, unless the recipe asks for it; or with that of the model's config."""
    from models.checkpoint import Checkpoints
    from models.methods import set_dropout
    from models.schedule import Pace
    from models.train import train

    if not dropout:
        set_dropout(model, 0.0)
    train(model, race.plan, Pace(RATE, seed=SEED), Checkpoints(folder, 1e9))


def trainer(race: Race, model: Any, folder: Path, *, tuned: bool) -> None:
    """A plain Trainer; the tuned one fills a batch up to its longest row, groups by length, and tries bf16."""
    from transformers import (
        DataCollatorForLanguageModeling,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        default_data_collator,
    )

    from models.packing import padded
    from models.precision import gains_by_bf16

    given = race.tuned if tuned else race.stock
    expert: dict[str, Any] = {"bf16": gains_by_bf16("cpu"), "optim": "adamw_torch_fused"}
    if len({len(row["input_ids"]) for row in given}) > 1:
        expert["train_sampling_strategy"] = "group_by_length"
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        learning_rate=RATE,
        weight_decay=0.01,
        warmup_steps=max(1, round(0.06 * len(given) / BATCH)),
        num_train_epochs=1,
        seed=SEED,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=True,
        **(expert if tuned else {}),
    )

    import torch

    def dynamic(found: list[dict[str, Any]]) -> dict[str, Any]:
        batch = padded(found, race.fill)
        return batch if "labels" in batch else batch | {"labels": torch.tensor([row["labels"] for row in found])}

    class Labelled(Trainer):  # type: ignore[misc]
        """Our classifier leaves the loss to its caller."""

        def compute_loss(self, model: Any, inputs: dict[str, Any], *_: Any, **__: Any) -> Any:
            return race.plan.loss(model, inputs)

    kind = Labelled if hasattr(model, "encoder") else Trainer
    collator: Any = dynamic if tuned else default_data_collator
    if race.masker:
        collator = DataCollatorForLanguageModeling(race.masker, mlm_probability=MASKED)
    made = kind(model, arguments, data_collator=collator, train_dataset=given)
    made.remove_callback(PrinterCallback)
    made.train()


def unseen_loss(race: Race, model: Any) -> float:
    import torch

    model.eval()
    with torch.no_grad():
        losses = [race.held_out.loss(model, race.held_out[n]).item() for n in range(len(race.held_out))]
    return sum(losses) / len(losses)


def compare(race: Race, sides: list[str], rounds: int) -> dict[str, tuple[float, float]]:
    """Units a processor second, the best of some rounds in changing order, and the loss on texts held out."""
    seconds, losses = dict.fromkeys(sides, float("inf")), {}
    for number in range(rounds):
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            model = copy.deepcopy(race.model)
            print(f"  round {number + 1} of {rounds}: {side}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                seconds[side] = min(seconds[side], _seconds(lambda: run(race, side, model, Path(folder))))  # noqa: B023
            losses[side] = unseen_loss(race, model)
    return {side: (race.units / seconds[side], losses[side]) for side in sides}


def run(race: Race, side: str, model: Any, folder: Path) -> None:
    if side in {"ours", "dropout"}:
        ours(race, model, folder, dropout=side == "dropout")
    else:
        trainer(race, model, folder, tuned=side == "tuned")


def tokenisation(steps: int) -> str:
    """Our tokens a second as a share of what the tokenizer's own batch call makes, the best of five each."""
    from models.objectives import tokenise
    from models.scratch import decoder_tokenizer

    texts = [row["text"] for row in rows("corpus_en_finance_reuters", steps * 100)]
    tokenizer = decoder_tokenizer(texts[:500], 8192)
    raw = min(_seconds(lambda: tokenizer.backend_tokenizer.encode_batch(texts)) for _ in range(5))
    own = min(_seconds(lambda: tokenise(tokenizer, texts, BLOCK)) for _ in range(5))
    return f"tokenisation: {raw / own:.2f} of the raw rate (processor time, {len(texts):,} texts)"


def _seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def overhead(steps: int) -> str:
    """Share of a training's processor time outside forward, backward and the optimiser."""
    import torch

    race, inside, ends = causal(steps), [0.0], [0.0, 0.0]
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as folder:
        for owner, name in ((torch.Tensor, "backward"), (torch.optim.AdamW, "step")):
            stack.enter_context(mock.patch.object(owner, name, _timed(getattr(owner, name), inside)))

        def first(items: Any, epoch: int) -> Any:
            ends[0] = ends[0] or time.process_time()
            return race.plan.collate(items, epoch)

        plan = replace(race.plan, collate=first, loss=_timed(race.plan.loss, inside))
        ours(replace(race, plan=plan), race.model, Path(folder))
        ends[1] = time.process_time()
    share = 1 - inside[0] / (ends[1] - ends[0])
    return f"overhead: {share:.1%} of the processor time outside forward, backward and optimiser"


def products(steps: int) -> str:
    """Share of a training's processor time in matrix products, of which every side makes the same."""
    from torch.profiler import profile

    race = causal(max(2, steps // 8))
    with tempfile.TemporaryDirectory() as folder, profile() as seen:
        ours(race, race.model, Path(folder))
    spent = {event.key: event.self_cpu_time_total for event in seen.key_averages()}
    share = sum(spent.get(f"aten::{name}", 0.0) for name in PRODUCTS) / sum(spent.values())
    return f"products: {share:.1%} of the time, so that the rest can make it {1 / share:.2f} times as fast at most"


def _timed(work: Callable[..., Any], inside: list[float]) -> Callable[..., Any]:
    import functools

    @functools.wraps(work, updated=())
    def timed(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        try:
            return work(*arguments, **named)
        finally:
            inside[0] += time.process_time() - started

    return timed


RACES: dict[str, Callable[[int], Race]] = {
    "causal": causal,
    "masked": masked,
    "classification": classification,
    "summarisation": summarisation,
}
SHARES: dict[str, Callable[[int], str]] = {
    "tokenisation": tokenisation,
    "overhead": overhead,
    "products": products,
}


def lines(names: list[str], sides: list[str], steps: int, rounds: int) -> Iterator[str]:
    for number, name in enumerate(names, 1):
        print(f"{number} of {len(names)}: {name}", file=sys.stderr, flush=True)
        with contextlib.redirect_stdout(sys.stderr):
            if name in SHARES:
                yield f"\n{SHARES[name](steps)}"
                continue
            race = RACES[name](steps)
            found = compare(race, sides, rounds)
        own = found.get("ours", (float("nan"), 0.0))[0]
        for side, (speed, loss) in found.items():
            yield f"| {name} | {side} | {speed:,.1f} {race.unit}/s | {own / speed:.2f} | {loss:.3f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=2, help="trainings of each side, of which the best counts")
    parser.add_argument("--sides", default=",".join(SIDES), help="names of sides, with commas between them")
    parser.add_argument("--only", default=",".join((*RACES, *SHARES)), help="names of rows, with commas between them")
    args = parser.parse_args()
    import torch

    print(f"{torch.get_num_threads()} threads, {args.steps} steps\n")
    print("| training | side | speed | ours / this | loss held out |\n|---|---|---|---|---|")
    for line in lines(args.only.split(","), args.sides.split(","), args.steps, args.rounds):
        print(line, flush=True)


if __name__ == "__main__":
    main()
