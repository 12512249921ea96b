"""What transformers' Trainer is told: how fast to learn; whatever writes, logs or evaluates by itself is off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from transformers import TrainingArguments  # noqa: TID253

from models.schedule import Pace


def arguments(pace: Pace, checkpoints: Path) -> Any:
    """The Trainer's arguments for a pace, and for the folder of its checkpoints."""
    found = TrainingArguments(
        output_dir=str(checkpoints),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=pace.accumulation,
        num_train_epochs=1,
        max_grad_norm=pace.clip,
        learning_rate=pace.learning_rate,
        neftune_noise_alpha=pace.noise or None,
        seed=pace.seed,
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=device() == "cpu",
    )
    # With several GPUs, Trainer would read as many batches at once and drop all but the first: a plan makes its own.
    found._n_gpu = min(1, found.n_gpu)  # noqa: SLF001 - it takes no other word for it
    return found


def device() -> str:
    """Where a training computes: on a GPU, where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"
