"""Near copies are found whatever hides them, in any script and length, and what merely resembles is left alone."""

import gzip
import json
import os
import random
import subprocess
import sys
from itertools import combinations

import pytest

from pipelines import near_sets
from pipelines import similarity as near_similarity
from pipelines.near_duplicates import NearIndex
from pipelines.near_sets import NearSet
from pipelines.settings import ROOT
from pipelines.similarity import rows_of_a_band
from pipelines.text_form import spaced, windows

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the development data is not at {DATA}")
WORDS = ["bucket", "queue", "table", "role", "stream", "policy", "cluster", "image", "rule", "topic", "key", "volume"]
ENGLISH = "The card that I ordered last week has still not arrived, can you tell me where it is?"
CHINESE = "酒店的位置非常好,离地铁站只有五分钟的路程,房间也很干净,下次还会再来。"


def near(text, other, threshold=0.8):
    index = NearIndex(threshold)
    index.add([other])
    return bool(index.find([text]))


def read(name):
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line)["text"] for line in file]


def jaccard(text, other):
    one, two = ({form[i : i + 4] for i in range(len(form) - 3)} for form in (spaced(text), spaced(other)))
    return len(one & two) / len(one | two)


@pytest.mark.parametrize(
    ("text", "copy"),
    [
        (ENGLISH, f"\n\t {ENGLISH.upper()}  "),
        (ENGLISH, ENGLISH.replace("arrived", "arived")),
        (ENGLISH, ENGLISH.replace("week", "month")),
        (ENGLISH, ENGLISH.replace(" ", "\u3000").replace("c", "\u200bc")),
        (ENGLISH, "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in ENGLISH)),
        (CHINESE, CHINESE.replace(",", "\uff0c").replace("。", " !!")),
        (CHINESE, CHINESE.replace("干净", "整洁")),
        ("很好吃", "很好吃!!!"),
        ("ok", " OK "),
        ("テレビ", "\uff83\uff9a\uff8b\uff9e"),
        ("?!", " ?!"),
    ],
)
def test_a_copy_is_found_though_it_was_edited(text, copy):
    assert near(copy, text)
    assert near(text, copy)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        (ENGLISH, "The card that I lost last year has now been found, can you tell me who has it?"),
        (CHINESE, "酒店的位置非常差,离地铁站有一个小时的路程,房间也不干净,再也不会来了。"),
        ("很好吃", "很好喝"),
        ("refund", "fund"),
        ("top up my card", "block my card"),
        ("?!", "!"),
        ("", ""),
        ("\u200b", " "),
    ],
)
def test_a_text_that_says_something_else_is_left_alone(text, other):
    assert not near(text, other)


def test_of_several_near_texts_the_nearest_is_named():
    index = NearIndex()
    index.add(["something else entirely", ENGLISH + " Thanks", ENGLISH, ENGLISH])
    assert index.find(["nothing like it", ENGLISH.lower()]) == [(1, 2)]


def set_of(folder, texts):
    found = NearSet(folder)
    texts = list(texts)
    found.add(texts, range(100, 100 + len(texts)))
    return found


def repeats(folder, texts):
    return [place - 100 for place in set_of(folder, texts).repeats().tolist()]


@pytest.fixture(params=["in memory", "on disk"])
def folder(request, tmp_path, monkeypatch):
    monkeypatch.setattr(near_sets, "HELD", near_sets.HELD if request.param == "in memory" else 0)
    return tmp_path


def test_texts_that_are_near_an_earlier_one_have_their_places_and_those_count_on_over_files(folder):
    found = NearSet(folder)
    found.add([ENGLISH, "another text"], [7, 9])
    assert found.repeats().tolist() == []
    found.add([CHINESE, ENGLISH + "!", "yet another one", CHINESE], [20, 30, 40, 2**40])
    assert len(found) == 6
    assert found.repeats().tolist() == [30, 2**40]


def test_few_texts_are_looked_for_in_many(folder):
    (folder / "many").mkdir()
    few = set_of(folder, [ENGLISH, "never met", ENGLISH.replace("week", "month"), ""])
    many = set_of(folder / "many", [*(f"something else {n}" for n in range(3_000)), ENGLISH.upper(), ENGLISH, ""])
    assert few.near(many).tolist() == [100, 102]
    assert many.near(few).tolist() == [3_100, 3_101]


def test_a_set_of_no_texts_is_near_nothing(folder):
    (folder / "other").mkdir()
    assert NearSet(folder).repeats().tolist() == []
    assert set_of(folder, [ENGLISH]).near(NearSet(folder / "other")).tolist() == []


@pytest.fixture
def compared(monkeypatch):
    """How many pairs were compared, each time that some were."""
    counts = []
    similarity = near_similarity._similarity
    monkeypatch.setattr(
        near_similarity, "_similarity", lambda *given: counts.append(len(given[0][1])) or similarity(*given)
    )
    return counts


def test_ten_thousand_copies_of_one_text_are_all_found_without_comparing_each_with_each(tmp_path, compared):
    texts = [f"your order {number % 10} has been sent to the address that you gave" for number in range(10_000)]
    assert len(repeats(tmp_path, texts)) == 9_999
    assert sum(compared) < 100_000
    compared.clear()
    index = NearIndex()
    index.add(texts)
    assert len(index.find(["your order 7 has been sent to the address that you gave"] * 100)) == 100
    assert sum(compared) < 100_000


def test_a_text_of_a_template_is_compared_with_few_others_though_thousands_nearly_are_near(tmp_path, compared):
    chosen = random.Random(1)
    texts = [f"{ENGLISH} {''.join(chosen.choices('abcdefghijklmnopqrstuvwxyz', k=17))}" for _ in range(1_000)]
    assert repeats(tmp_path, texts) == []
    assert sum(compared) <= 64 * 1_000


def test_what_is_found_is_what_comparing_each_with_each_finds(folder):
    chosen = random.Random(1)
    texts = [" ".join(chosen.choices(WORDS, k=chosen.randint(5, 60))) for _ in range(60)]
    for text in texts[:60]:
        words = text.split()
        words[chosen.randrange(len(words))] = "lambda"
        texts.append(" ".join(words))
    true = {(j, i): jaccard(texts[i], texts[j]) for i, j in combinations(range(len(texts)), 2)}
    # All texts have fewer shingles than are kept, so that nothing is estimated.
    expected = {later for (later, _), similarity in true.items() if similarity >= 0.8}
    assert len(expected) > 20
    assert set(repeats(folder, texts)) == expected
    for name in ("first", "second"):
        (folder / name).mkdir()
    found = set_of(folder / "second", texts[60:]).near(set_of(folder / "first", texts[:60]))
    between = {later for (later, earlier), similarity in true.items() if similarity >= 0.8 and earlier < 60 <= later}
    assert {place - 40 for place in found.tolist()} == between


def test_a_lower_threshold_finds_more_and_still_misses_at_most_a_hundredth():
    assert [rows_of_a_band(t) for t in (0.3, 0.5, 0.8, 0.9, 1.0)] == [2, 3, 6, 10, 128]
    other = ENGLISH.replace("week", "Monday").replace("arrived", "come")
    assert not near(other, ENGLISH)
    assert near(other, ENGLISH, 0.5)


def test_a_text_takes_no_more_memory_than_stated():
    index = NearIndex()
    chosen = random.Random(1)
    index.add("".join(chr(chosen.randrange(0x4E00, 0x9F00)) for _ in range(2_000)) for _ in range(500))
    held = len(index._sketches) + len(index._offsets) + sum(map(len, index._bands))
    assert held <= 1_200 * len(index) + 8


@pytest.mark.slow
def test_another_process_finds_the_same():
    program = (
        "from pipelines.similarity import keys, shingles\n"
        f"print(keys(*shingles([{ENGLISH!r}, {CHINESE!r}]), 6)[:2].tolist())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment, cwd=ROOT
    )
    assert json.loads(result.stdout) == [[914272010, 1511263230], [3134873833, 3120740610]]


def test_windows_do_not_cross_from_text_to_text():
    hashes, starts = windows(["abcdef", "", "ab", "cdefg"], 4)
    assert starts.tolist() == [0, 1, 2, 8, 9]
    assert hashes[2] == hashes[3]
    assert len(set(hashes.tolist())) == 4


@needs_data
def test_three_hundred_of_five_hundred_test_texts_are_found_in_training(folder):
    training, test = read("broken/b09_leak_train.jsonl.gz"), read("broken/b09_leak_test.jsonl.gz")
    index = NearIndex()
    index.add(training)
    assert len(index.find(test)) == 300
    (folder / "training").mkdir()
    assert len(set_of(folder, test).near(set_of(folder / "training", training))) == 300
