"""The report as one HTML page that a reviewer reads in two minutes, offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

from models.metrics import HIGHER_IS_BETTER
from models.power import POWER, detectable
from pipelines import plots
from pipelines.comparison import clearly
from pipelines.explanations import scored, strengths, strongest
from pipelines.page import render
from pipelines.verdict import CONFIDENCE, p_value, slice_name

NAMES = {
    "accuracy": "Accuracy",
    "f1": "F1 (macro)",
    "auc": "AUC",
    "micro_f1": "F1 (micro)",
    "macro_f1": "F1 (macro)",
    "subset_accuracy": "All labels right",
    "ece": "Calibration error",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
    "edit_f05": "F0.5 of edits",
    "edit_precision": "Precision of edits",
    "edit_recall": "Recall of edits",
    "gleu": "GLEU",
    "sari": "SARI",
    "ter": "TER",
    "bert_score": "BERTScore (near in meaning)",
    "distinct_1": "Different words (distinct-1)",
    "distinct_2": "Different pairs of words (distinct-2)",
    "self_bleu": "Self-BLEU",
    "repetition": "Repeated runs of four words",
    "attribute_success": "Attributes realised",
    "mrr": "Mean reciprocal rank",
    "recall_1": "Recall at 1",
    "recall_5": "Recall at 5",
    "ndcg_10": "nDCG at 10",
    "hit_10": "Users with a click among the first ten",
    "bm25": "BM25 (words in common)",
    "frozen_encoder": "Base model's cosine, untrained",
    "grounding": "Share of words found in the context",
    "bits_per_byte": "Bits per byte of the references",
    "overlap_tfidf": "Overlap and TF-IDF",
    "tfidf": "TF-IDF and logistic regression",
    "frozen_cosine": "Frozen encoder's cosine",
    "nearest": "Answer to the nearest training text",
    "lead_1": "First sentence",
    "lead_3": "First three sentences",
    "copy": "The text as it came",
    "popularity": "Popularity",
    "item_and_user_mean": "Mean of item and user",
    "frozen_base": "Base model, untrained",
    "base": "Base model",
    "pretrain": "Continued pretraining",
    "finetune": "Fine-tuning",
    "distil": "Distillation: what the student learned",
}
# Of the domain, of general text, and of earlier domains.
COLORS = ("var(--model)", "var(--general)", "var(--other)")
BADGES = {"better": ("good", "better"), "worse": ("bad", "worse"), "unclear": ("plain", "no clear difference")}
NAMED = 3  # slices that the first lines of the page name
Report = Mapping[str, Any]


def render_report(report: Report) -> str:
    """The page for a report.json, see pipelines/evaluate.py; the same report is the same page."""
    return render(
        "report.html",
        report=report,
        summary=summary(report),
        primary=name(report["primary"]),
        score=report["metrics"][report["primary"]],
        rivals=rivals(report),
        apart=apart(report),
        positive=positive(report["examples"]),
        plots=_plots(report),
        higher=HIGHER_IS_BETTER,
        name=name,
        verdict=lambda gap: BADGES[clearly(gap, report["primary"])],
        spread=spread,
        power=POWER,
        badges=BADGES,
        slice_name=slice_name,
        p_value=p_value,
        tells=tells,
        tested=all("mcnemar" in rival for rival in rivals(report)),
        signed=lambda value: f"{value:+.3f}",
        scored=scored,
        strengths=strengths,
        strongest=strongest,
    )


def name(word: str) -> str:
    """A metric, baseline or stage in words."""
    return NAMES.get(word, word.replace("_", " ").capitalize())


def spread(found: Mapping[str, Any], sign: str = "") -> str:
    """An interval in words; some metrics have none."""
    if found["low"] is None:
        return "no interval"
    return f"{found['low']:{sign}.3f} to {found['high']:{sign}.3f}"


def tells(gap: Mapping[str, float]) -> str:
    """The smallest difference that the examples detect, by the interval of one; of equal answers nothing is known."""
    least = detectable(gap["low"], gap["high"], CONFIDENCE)
    return f"{least:.3f}" if least else "-"


def summary(report: Report) -> str:
    """The verdict in two or three sentences."""
    primary = report["primary"]
    beaten = [r for r in rivals(report) if r["kind"] == "baseline"]
    short = [r["name"] for r in beaten if clearly(r["difference"], primary) != "better"]
    every = "every trivial answer that has this metric" if apart(report) else "every trivial answer"
    told = f"It does not clearly beat {' and '.join(short)}." if short else f"It clearly beats {every}."
    champion = report["champion"]
    against = {"better": "is clearly better than", "worse": "is clearly worse than", "unclear": "cannot be told from"}
    rival = f" It {against[clearly(champion['difference'], primary)]} the champion." if champion else ""
    fell = [slice_name(row) for row in report.get("slices") or () if row["moved"] == "worse"]
    if fell:
        rival += f" It is clearly worse than the champion in {', '.join(fell[:NAMED])}"
        rival += f" and {len(fell) - NAMED} more slices." if len(fell) > NAMED else "."
    change = report["bits_per_byte_change"]
    learned = " and ".join(
        f"{abs(value):.1%} {'fewer' if value < 0 else 'more'} bits for {corpus} text"
        for corpus, value in change.items()
    )
    taught = report.get("teacher")
    origin = (
        " It has {parameters:,} parameters, and learned from a teacher of {teacher_parameters:,}.".format(**taught)
        if taught
        else ""
    )
    after = "its teacher" if taught else "it"
    return f"{told}{rival}{origin} After continued pretraining {after} needs {learned}."


def positive(examples: Sequence[Mapping[str, Any]]) -> str | None:
    """The label whose probability all examples show; None for texts, and where each shows that of its own answer."""
    labels = sorted({row[key] for row in examples for key in ("label", "prediction") if "label" in row})
    others = {label for row in examples for label in row.get("probability_of", ())} - set(labels[-1:])
    return labels[-1] if len(labels) == 2 and not others else None


def rivals(report: Report) -> list[dict[str, Any]]:
    """What the model is compared with: champion, teacher, the baselines from the best on, and its control."""
    primary = report["primary"]
    sign = -1 if HIGHER_IS_BETTER[primary] else 1
    comparable = [(word, values) for word, values in report["baselines"].items() if values["difference"]]
    ordered = sorted(comparable, key=lambda item: sign * item[1]["metrics"][primary])
    found = [{"kind": "baseline", "name": name(word), **values} for word, values in ordered]
    if report.get("teacher"):
        found.insert(0, {"kind": "teacher", "name": "Its teacher", **report["teacher"]})
    if report["champion"]:
        found.insert(0, {"kind": "champion", "name": "Champion", **report["champion"]})
    if report["control"]:
        found.append({"kind": "control", "name": "No continued pretraining", **report["control"]})
    return found


def apart(report: Report) -> dict[str, Mapping[str, float]]:
    """The metrics of the baselines that have not the primary one, and so cannot be compared on it."""
    return {word: other["metrics"] for word, other in report["baselines"].items() if not other["difference"]}


def _plots(report: Report) -> dict[str, Any]:
    colors = {"champion": "var(--champion)", "baseline": "var(--other)", "control": "var(--general)"}
    colors |= {"teacher": "var(--general)"}  # there is no control beside it
    rows = [{"name": "This model", "color": "var(--model)", **report["metrics"][report["primary"]]}]
    rows += [{"name": r["name"], "color": colors[r["kind"]], **r["interval"]} for r in rivals(report)]
    stages = report["bits_per_byte"]
    lines = {corpus: {stage: found[corpus] for stage, found in stages.items()} for corpus in stages["base"]}
    return {
        "scores": plots.intervals(rows, report["primary"]),
        "bits": plots.slopes(lines, dict(zip_longest(lines, COLORS[: len(lines)], fillvalue=COLORS[-1]))),
        "curves": {stage: _curve(rows) for stage, rows in report["curves"].items() if len(rows) > 1},
        "calibration": plots.reliability(report["calibration"]) if report["calibration"] else None,
    }


def _curve(rows: list[Mapping[str, Any]]) -> Any:
    across = "tokens" if rows[-1].get("tokens") else "step"
    return plots.curve([(row[across], row["loss"]) for row in rows], across, "loss")
