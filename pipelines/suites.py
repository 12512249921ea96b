"""What is expected of rows: the checks of the files of a set, and of evaluation rows against training rows."""

from __future__ import annotations

from collections.abc import Iterator

from pipelines.expectations import Check
from pipelines.facts import BEYOND_A_LIMIT, SET_ASIDE
from pipelines.faults import FAULTS, NOTES, UNREAD
from pipelines.findings import Severity
from pipelines.formats import Dialog, Recommendation, Row
from pipelines.limits import Limits
from pipelines.tally import Tally
from pipelines.told import has_answers

ROWS = {
    "empty_texts": ("rows with an empty text", "remove these rows, or fill in their text"),
    "short_texts": ("rows with a text too short", "remove these rows, or fill in their text"),
    "long_texts": ("rows with a text too long", "split these texts, or remove them"),
    "personal_data": ("rows with personal data", "remove it, or decide that the rows may stay"),
    "control_characters": ("rows with control characters", "remove these characters"),
    "replacement_characters": ("rows with U+FFFD, where a character was lost", "convert the source again"),
    "timestamps": (
        "rows with a timestamp that is impossible, in the future or in another form",
        "write ISO 8601 (2018-03-15, 2018-03-15T09:30:00+08:00; Unix seconds in recommendation), or leave it out",
    ),
    "turn_order": ("dialogs out of turn", "begin with the user, then let assistant and user alternate"),
    "empty_turns": ("dialogs with an empty turn", "remove the empty turns, or fill them in"),
}
# What sets a row aside always is no share of rows, and has a key of another name; an empty text has none.
KEYS = {"short_texts": "shortest_text", "long_texts": "longest_text"} | {name: name for name in BEYOND_A_LIMIT}
SILENT = {"control_characters"}  # stray ones are common: nothing is said of them below the limit


def set_checks(tally: Tally) -> list[Check]:
    """The checks of the files of a set: of one that could not be read to its end, only those of reading."""
    form, limits = tally.view.form, tally.view.limits
    checks = [Check(name, what, cure, at_most=0) for name, what, cure in FAULTS]
    if tally.refused:
        return checks
    checks.append(Check("rows", "rows", "add rows; an empty file is no data" + _by("rows"), at_least=limits.rows))
    checks.append(Check("repeated_ids", "rows with an id used before", "give every row its own id", at_most=0))
    for name in SET_ASIDE:
        checks += _set_aside(name, limits)
    mend = "mend these rows at their source; so many are no accident" + _by("quarantined")
    checks.append(Check("set_aside", "rows set aside by all checks", mend, at_most=limits.quarantined, of="share"))
    if limits.licence:
        checks.append(
            Check("licence", "rows without a licence", "name the licence of every row" + _by("licence"), at_most=0)
        )
    if form.LABEL and any(tally.labels.values()):
        checks += _label_checks(tally)
    if form is Dialog:
        checks.append(_answered(tally))
    return checks + list(_doubts(form, limits))


def used_checks(tally: Tally) -> list[Check]:
    """The checks of files that are used as they are: what no reader leaves out of them is refused."""
    unread = [Check(name, what, cure, at_most=0) for name, what, cure in UNREAD]
    return [*unread, *(c for c in set_checks(tally) if c.name not in {check.name for check in unread})]


def _answered(tally: Tally) -> Check:
    """Examples need the answer that a model is to write; a file alone may be meant for something else."""
    severity: Severity = "warn" if tally.role == "part" else "reject"
    cure = "cut them after the assistant's last turn, or leave them out: it is what a model learns to write"
    return Check("unanswered", "dialogs that end without the assistant's answer", cure, at_most=0, severity=severity)


def leak_checks(form: type[Row], limits: Limits) -> list[Check]:
    """The checks of an evaluation set against the training set."""
    checks = [
        Check("ids_in_both", "evaluation rows with an id of a training row", "give every row its own id", at_most=0),
        *text_leak_checks(form, limits),
    ]
    if form is Recommendation:
        what, cure = "evaluation interactions with items that training never showed", "train on newer interactions too"
        checks.append(_share("cold_items", what, cure, limits.cold_items))
    elif form.LABEL:
        correct = "correct these labels, or add examples of them to the training set"
        checks.append(Check("unknown_labels", "evaluation rows with a label that training lacks", correct, at_most=0))
    return checks


def text_leak_checks(form: type[Row], limits: Limits) -> list[Check]:
    """The checks of the texts of an evaluation set against those of a training set, whatever its task."""
    remove = "remove them from the training set, or from the evaluation set" + _by("leakage")
    checks = [_share("leakage", "evaluation rows that training shows too", remove, limits.leakage, "reject")]
    if limits.near_duplicates and form is not Recommendation:
        near = "split by document, so that near copies stand on one side"
        what = "evaluation rows nearly the same as one of training"
        # Honest splits of short texts hold a few: of banking questions one in fifteen, of one month's news one in ten.
        checks.append(_share("near_leakage", what, near, min(0.02, limits.near_leakage)))
        checks.append(_share("near_leakage", what, near + _by("near_leakage"), limits.near_leakage, "reject"))
    if has_answers(form):
        what, cure = "evaluation answers that training shows too", "split so that such answers stand on one side"
        checks += _answers("answer_leakage", what, cure, limits)
    return checks


def corpus_checks(form: type[Row], limits: Limits) -> list[Check]:
    """The checks of a test set against a corpus that is trained on."""
    remove = "remove these texts from the corpus, or mark them as heldout" + _by("corpus_leakage")
    checks = [_share("corpus_leakage", "test texts in the corpus to train on", remove, limits.corpus_leakage, "reject")]
    if has_answers(form):
        what, cure = "test answers in the corpus to train on", "remove the texts that hold them from the corpus"
        checks += _answers("corpus_answers", what, cure, limits)
    return checks


def _answers(name: str, what: str, cure: str, limits: Limits) -> Iterator[Check]:
    # Honest sets share a few: of one feed's headlines one in seven, of the example's summaries one in seventeen.
    yield _share(name, what, cure, min(0.02, limits.answer_leakage))
    yield _share(name, what, cure + _by("answer_leakage"), limits.answer_leakage, "reject")


def heldout_checks() -> list[Check]:
    """The checks of a corpus' two parts against each other."""
    return [
        Check("training_rows", "rows to train on", "mark fewer rows as heldout", at_least=1),
        Check("heldout_in_training", "held-out texts also trained on", "remove them from one side", at_most=0),
    ]


def _by(*keys: str) -> str:
    """What a cure adds, so that nobody has to look for the keys of its limit; nothing where there is none."""
    return f"; the recipe's [validation] sets the limit: {', '.join(keys)}" if keys else ""


def _share(name: str, what: str, cure: str, at_most: float, severity: Severity = "warn") -> Check:
    return Check(name, what, cure, at_most=at_most, of="share", severity=severity)


def _set_aside(name: str, limits: Limits) -> Iterator[Check]:
    """Set aside above a limit, or always; refused when that is too many; warned of below the limit."""
    what, cure = ROWS[name]
    keys = [KEYS[name]] if name in KEYS else []
    allowed = getattr(limits, name) if name in BEYOND_A_LIMIT else 0.0
    if allowed and name not in SILENT:
        yield Check(name, what, cure, at_most=0, severity="warn")
    yield _share(name, what, cure + _by(*keys), allowed, "quarantine")
    yield _share(name, what, cure + _by(*keys, "quarantined"), max(allowed, limits.quarantined), "reject")


def _label_checks(tally: Tally) -> Iterator[Check]:
    limits = tally.view.limits
    if tally.known is not None:
        correct = "correct these labels, or name them (--labels, or [data] labels in the recipe); case and spaces count"
        yield Check("unknown_labels", "rows with a label outside the set", correct, at_most=0)
    if tally.view.form is not Recommendation:
        # A part of the data may hold one class; what trains, evaluates or was said to hold several may not.
        partial = tally.role == "batch" or (tally.role == "part" and len(tally.known or ()) < 2)
        severity: Severity = "warn" if partial else "reject"
        one = "add rows of another label; nothing can be learned or measured with one"
        yield Check("single_class", "different labels", one, at_least=2, of="value", severity=severity)
    add = "add rows of it, or drop the label"
    rarest, severity = limits.rarest_label, "warn"
    yield Check("rarest_label", "share of the rarest label", add, at_least=rarest, of="share", severity=severity)
    decide = "decide on one label for each text"
    yield _share("contradictions", "texts with two labels", decide, limits.contradictions)


def _doubts(form: type[Row], limits: Limits) -> Iterator[Check]:
    for name, what, cure in NOTES:
        yield Check(name, what, cure, at_most=0, severity="warn")
    script = "check that these texts are in the language they say"
    garbled = "read the source as UTF-8, and write it again"
    yield _share("mojibake", "rows with UTF-8 read as Latin-1", garbled, limits.mojibake)
    what = "rows without one letter of their language's script"
    yield _share("other_script", what, script, limits.other_script)
    yield _share("copies", "rows that copy an earlier one", "remove the copies", limits.copies)
    if limits.near_duplicates and form is not Recommendation:
        what, cure = "rows nearly the same as an earlier one", "remove the near copies"
        yield _share("near_copies", what, cure, limits.near_copies)
        what = f"rows not looked at for near copies and near leaks, beyond the first {limits.near_rows:,}"
        yield Check("near_unread", what, "raise near_rows in the recipe's [validation]", at_most=0, severity="warn")
    if limits.toxicity and form is not Recommendation:
        what, cure = "rows looked at that are toxic", "remove them, or raise the limit when the domain needs them"
        yield _share("toxicity", what, cure + _by("toxicity.warn"), min(limits.toxicity.warn, limits.toxicity.share))
        yield _share("toxicity", what, cure + _by("toxicity.share"), limits.toxicity.share, "reject")
    what, cure = "rows that begin or end as many others do", "remove what is no text: menus, signatures, notices"
    yield _share("boilerplate", what, cure, limits.boilerplate)
    if form is Recommendation:
        what, cure = "interactions older than the user's one before", "sort by timestamp"
        yield _share("unordered", what, cure, limits.unordered)
