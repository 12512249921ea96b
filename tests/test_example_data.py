"""The example's data are the same everywhere, and no split gives another one away."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest

from pipelines.data_version import difference, read_version, version_of
from pipelines.errors import ScriptoriumError
from pipelines.example_docs import Operation, Service, _operation, _prose, _without_repeated, installed
from pipelines.example_pairs import Couple, couples, document, pair_rows, without_leaks, without_repeats
from pipelines.example_split import Seen, alike, assign, families
from pipelines.example_text import html_to_text, sentences, without_notice
from pipelines.settings import ROOT

LONG = "which the caller has to name by its identifier before anything else can be done with the request at all"


def operation(name, summary, *body, service="one"):
    return Operation(service=service, name=name, text="", summary=summary, body=body, inputs=())


def a_service(*names, service="one"):
    found = [
        operation(n, f"Does what {n} says.", f"The {n} call takes a thing {LONG}.", service=service) for n in names
    ]
    return Service(name=service, title=service, operations=tuple(found), shapes=())


def test_html_becomes_one_paragraph_a_line():
    assert html_to_text("<p>Gets  a <code>Thing</code>.</p><ul><li>A &amp; B</li></ul>") == "Gets a Thing.\nA & B"


def test_a_notice_in_front_is_not_what_the_text_is_about():
    assert html_to_text(without_notice("<note><p>Classic.</p></note> <p>Gets it.</p>")) == "Gets it."


def test_an_abbreviation_does_not_end_a_sentence():
    assert sentences("Use a name, e.g. Bob. Then go.") == ["Use a name, e.g. Bob.", "Then go."]


def test_the_first_sentence_becomes_the_summary_and_the_rest_the_document():
    found = _operation(
        "s", "GetThing", {"documentation": "<p>Gets one thing back. It is found by name.</p><p>Or not.</p>"}, {}
    )
    assert (found.summary, found.body) == ("Gets one thing back.", ("It is found by name.", "Or not."))


@pytest.mark.parametrize("opening", ["This operation is deprecated.", "Gets it.", "gets the thing of a name."])
def test_an_opening_that_says_nothing_is_no_summary(opening):
    assert not _operation("s", "GetThing", {"documentation": f"<p>{opening} More.</p>"}, {}).summary


def test_a_summary_that_two_operations_share_is_used_for_neither():
    found = _without_repeated(
        [operation("A", "Gets the thing."), operation("B", "Gets the  Thing."), operation("C", "X.")]
    )
    assert [o.summary for o in found] == ["", "", "X."]


def test_every_document_and_every_summary_is_once_right_and_once_wrong():
    rows = [row for c in couples(a_service("GetCat", "ListCat", "GetDog", "ListDog")) for row in pair_rows(c)]
    assert len(rows) == 8
    for column in ("text_a", "text_b"):
        assert set(Counter((row[column], row["label"]) for row in rows).values()) == {1}
        assert set(Counter(row[column] for row in rows).values()) == {2}


def test_the_wrong_summary_is_that_of_the_most_similar_name():
    (found,) = couples(a_service("GetCatPicture", "PutCatPicture", "GetWeather"))
    assert {found.one.name, found.other.name} == {"GetCatPicture", "PutCatPicture"}


def test_a_document_that_quotes_its_summary_is_left_out():
    service = a_service("GetCat", "PutCat")
    first = service.operations[0]
    quoting = operation("GetCat", first.summary, f"{first.summary} {first.body[0]}")
    assert not couples(Service("one", "one", (quoting, service.operations[1]), ()))


def test_a_document_is_cut_between_sentences():
    text = document(operation("A", "X.", *["Some words that make a sentence of their own."] * 40))
    assert len(text) <= 600
    assert text.endswith("own.")


def test_services_that_repeat_each_other_are_one_family():
    same = [f"Sentence number {n} says the same thing in two services." for n in range(5)]
    old, new, other = (
        Service(n, n, (operation("A", "X.", *body),), ())
        for n, body in (("waf", same), ("wafv2", same), ("xray", ["Something else."]))
    )
    assert families([old, new, other]) == {"waf": "waf", "wafv2": "waf", "xray": "xray"}


def test_a_family_is_never_split():
    family_of = {f"s{n}": f"s{n - n % 2}" for n in range(100)}
    split_of = assign(family_of, dict.fromkeys(family_of, 1), {"test": 20, "validation": 10})
    assert Counter(split_of.values()) == {"train": 70, "test": 20, "validation": 10}
    assert all(split_of[service] == split_of[family] for service, family in family_of.items())


def test_a_family_that_would_decide_the_score_alone_is_for_training():
    assert assign({"ec2": "ec2"}, {"ec2": 500}, {"test": 1000, "validation": 500}) == {"ec2": "train"}


def test_near_duplicates_are_found_and_others_are_not():
    texts = ["a b c d e f g h", "a b c d e f g x", "q r s t u v w x"]
    assert alike(texts, ["a b c d e f g h"], size=3) == {0, 1}


def test_a_training_pair_that_nearly_stands_in_the_test_is_left_out():
    (couple,) = couples(a_service("GetCat", "PutCat"))
    (other,) = couples(a_service("SendMail", "DraftMail", service="two"))
    nearly = Couple(couple.one, operation("PutCat", "Unlike anything.", f"Indeed {document(couple.other)}"))
    kept = without_leaks([nearly, Couple(operation("A", "Q.", "R."), operation("B", "S.", "T."))], [couple, other])
    assert [c.one.name for c in kept] == ["A"]


def test_the_second_of_two_equal_couples_is_left_out():
    found = [*couples(a_service("GetCat", "PutCat")), *couples(a_service("GetCat", "PutCat", service="two"))]
    assert without_repeats(found) == found[:1]


def test_text_that_was_said_before_is_recognised():
    seen = Seen()
    assert seen.share("This is said for the first time. It is.") == 0
    assert seen.share("This is said for the first time.") == 1


def test_a_text_that_quotes_a_held_out_sentence_is_recognised():
    seen = Seen(["Lists all the cats in your account."])
    assert seen.quotes("In short. It lists. Lists all the  cats in your account. And more.")
    assert not seen.quotes("Lists all the dogs in your account.")


def test_prose_of_a_docstring_holds_no_code():
    text = "Return the sum of all numbers that were given.\n\n>>> add(1, 2)\n3\n\nName : int\n-----"
    assert _prose(text) == "Return the sum of all numbers that were given."


def test_another_version_of_a_source_is_refused_with_both_versions():
    with pytest.raises(ScriptoriumError, match=r"made from botocore 0\.1, but 1\.43\.117 is installed.*make setup"):
        installed("botocore", "0.1")


def killed_build(home):
    """A build killed without warning while it reads its sources."""
    command = [sys.executable, "-u", "-m", "pipelines.cli", "data", "build"]
    environment = os.environ | {"SCRIPTORIUM_HOME": str(home), "SCRIPTORIUM_DATA": str(home / "data")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as build:
        assert "reading" in next(build.stdout)
        build.send_signal(signal.SIGKILL)
    return environment


def test_a_killed_build_leaves_nobody_behind_who_holds_its_lock(tmp_path):
    killed_build(tmp_path)
    with (tmp_path / "locks" / "data").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.slow
def test_after_a_killed_build_the_next_one_finishes(tmp_path):
    again = [sys.executable, "-m", "pipelines.cli", "data", "build"]
    subprocess.run(again, cwd=ROOT, env=killed_build(tmp_path), check=True, timeout=120)
    assert difference(version_of(tmp_path / "data"), read_version(ROOT / "data.dvc")) is None


BUILD = (
    "import sys, pathlib; from pipelines.example_data import build_example; build_example(pathlib.Path(sys.argv[1]))"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seed", "locale", "zone"),
    [("1", "C", "Asia/Tokyo"), pytest.param("2", "C.UTF-8", "UTC", marks=pytest.mark.thorough)],
)
def test_the_bytes_are_those_of_data_dvc_whatever_the_environment(tmp_path, seed, locale, zone):
    environment = os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], check=True, cwd=ROOT, env=environment)
    assert difference(version_of(tmp_path), read_version(ROOT / "data.dvc")) is None
    _check_nothing_leaks(tmp_path)


def _check_nothing_leaks(folder):
    def rows(name):
        return [json.loads(line) for line in (folder / name).read_text("utf-8").splitlines()]

    pairs = {s: rows(f"tasks/summary_check/{s}.jsonl") for s in ("train", "validation", "test")}
    learned = {row["domain"] for row in rows("corpus/domain.jsonl") if row["split"] == "train"}
    for split, found in pairs.items():
        assert Counter(row["label"] for row in found) == {"yes": len(found) // 2, "no": len(found) // 2}
        services = {row["service"] for row in found}
        others = {row["service"] for s, other in pairs.items() if s != split for row in other}
        assert services.isdisjoint(others)
        assert services <= learned if split == "train" else services.isdisjoint(learned)
