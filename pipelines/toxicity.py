"""How much of a set of texts is toxic, as a classifier sees it that a recipe trained and a reviewer approved."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.artifact import Manifest, read_json, sha256_file
from pipelines.blocks import PLACE, WRITTEN
from pipelines.errors import Refused
from pipelines.limits import Toxicity
from pipelines.measure import EXAMPLES, Measure
from pipelines.mirror import here, manifests
from pipelines.model_digests import WEIGHTS, require_files
from pipelines.settings import Settings, read_settings

if TYPE_CHECKING:
    import polars as pl

PAIRS = "PairClassifier"  # of models/pair_head.py; importing it would load torch
LONGEST = 2000  # characters of a text that are looked at; classifiers cut it sooner


class Sample:
    """The texts with the smallest hashes: the same ones in whatever order the rows come, each text once."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.texts: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Look at the rows of a block."""
        import polars as pl

        more = frame.select(pl.col(WRITTEN).hash(8).alias("key"), PLACE, pl.col(WRITTEN).str.head(LONGEST))
        found = more if self.texts is None else pl.concat([self.texts, more])
        self.texts = found.unique("key", keep="first", maintain_order=True).bottom_k(self.most, by="key")


def toxic(sample: Sample, toxicity: Toxicity) -> tuple[Measure, list[int]]:
    """How many of the texts looked at are toxic, by which model; and their packed places in file order."""
    if sample.texts is None:
        return Measure(), []
    places = sample.texts[PLACE].to_list()
    asked = chances(sample.texts[WRITTEN].to_list(), toxicity)
    found = sorted(at for at, chance in zip(places, asked, strict=True) if chance >= toxicity.at_least)
    measure = Measure(len(found), len(places))
    measure.words[f"as {toxicity.model} says, sha256 {str(toxicity.sha256)[:12]}"] = 1
    return measure, found[:EXAMPLES]


def chances(texts: Sequence[str], toxicity: Toxicity) -> list[float]:
    """How sure the classifier is that each text is toxic. Raises Refused where it cannot be asked."""
    from models.predict import classify
    from pipelines.loop_progress import progress

    folder = classifier_folder(toxicity, read_settings())
    require_labels(folder, toxicity)
    try:
        model, tokenizer = _loaded(folder)
    except ValueError as error:
        raise Refused(f"validation.toxicity.model: {error}") from None
    said = progress("texts looked at for toxicity", to=sys.stderr)
    answers = classify(model, tokenizer, [(text[:LONGEST],) for text in texts], said)
    return [answer[toxicity.label] for answer in answers]


def classifier_folder(toxicity: Toxicity, settings: Settings) -> Path:
    """The folder of the classifier with the pinned digests, whichever is the champion by now."""
    if "/" in toxicity.model:
        places = [Path(toxicity.model).expanduser()]
    else:
        kept = manifests(Path(settings.artifacts) / "production" / toxicity.model, settings)
        wanted = [uri for uri, found in kept.items() if _weights(found) == toxicity.sha256]
        places = [here(uri) / "model" for uri in wanted]
    for place in places:
        if (place / WEIGHTS).is_file() and sha256_file(place / WEIGHTS) == toxicity.sha256:
            return require_files(place, toxicity.files_sha256, f"validation.toxicity.model {toxicity.model}")
    raise Refused(f"validation.toxicity: no {toxicity.model} has the weights {toxicity.sha256}; start a new run")


def require_labels(folder: Path, toxicity: Toxicity) -> None:
    """Refuse, before anything is read, a model that is no classifier of one text, or has not the label."""
    config = read_json(folder / "config.json")
    labels = sorted((config.get("id2label") or {}).values())
    if not labels:
        raise Refused(f"validation.toxicity.model: {toxicity.model} is no classifier; name one that labels texts")
    if PAIRS in (config.get("architectures") or ()):
        raise Refused(f"validation.toxicity.model: {toxicity.model} compares two texts; name one that labels one")
    if toxicity.label not in labels:
        raise Refused(f"validation.toxicity.label is {toxicity.label!r}; {toxicity.model} says {', '.join(labels)}")


def _weights(manifest: Manifest) -> str | None:
    entry = manifest.files.get(f"model/{WEIGHTS}")
    return entry.sha256 if entry else None


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Any:
    from models.backbone import load_classifier

    return load_classifier(folder)
