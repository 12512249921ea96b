"""The report compares a model with everything it must beat, and is one page that needs nothing from elsewhere."""

import copy
import random
import re
from html.parser import HTMLParser

import pytest

from models.tasks import TASKS
from pipelines import terminal
from pipelines.comparison import Comparison, calibration_rows, clearly, examples, label_rows
from pipelines.errors import Refused
from pipelines.packet import _change
from pipelines.plots import Scale
from pipelines.report import render_report, rivals, summary
from pipelines.verdict import p_value

PAIRS = TASKS["pair_classification"]
ROWS = [
    {"id": f"r{n}", "text_a": f"<b>document</b> {n // 2}", "text_b": f"summary {n}", "label": "yes" if n % 2 else "no"}
    for n in range(400)
]


def predictions(share_right, seed=0):
    chance = random.Random(seed)
    found = []
    for row in ROWS:
        right = chance.random() < share_right
        probability = chance.uniform(0.55, 0.95)
        said = row["label"] if right else {"yes": "no", "no": "yes"}[row["label"]]
        found.append({**row, "prediction": said, "probability": probability if said == "yes" else 1 - probability})
    return found


def report(champion=None):
    ours = predictions(0.8)
    compared = Comparison(PAIRS, ROWS, seed=7)
    curve = [{"step": n, "tokens": n * 1000, "loss": 7 / n} for n in range(1, 50)]
    return {
        "recipe": "checker",
        "description": "Checks <script>alert(1)</script> summaries.",
        "task": "pair_classification",
        "primary": "accuracy",
        "n": len(ROWS),
        "groups": compared.units,
        "confidence": 0.95,
        "dataset_md5": "d41d8cd98f00b204e9800998ecf8427e.dir",
        "settings": {"seed": 7, "base": {"model": "some-encoder", "sha256": None}},
        "digests": {"tuned": "a" * 64},
        "metrics": compared.intervals(ours),
        "baselines": {"overlap_tfidf": compared.opponent(ours, predictions(0.6, 1))},
        "champion": compared.opponent(ours, champion) if champion else None,
        "control": compared.opponent(ours, predictions(0.79, 3)),
        "bits_per_byte": {stage: {"domain": 2.0, "general": 2.1} for stage in ("base", "pretrained", "finetuned")},
        "bits_per_byte_change": {"domain": -0.12, "general": 0.01},
        "self_training": [taught()],
        "curves": {"base": [], "pretrain": curve, "finetune": curve},
        "labels": label_rows(PAIRS, ours),
        "calibration": calibration_rows(PAIRS, ours),
        "examples": examples(PAIRS, ROWS, ours, champion),
        "explanations": [explained()],
    }


def taught():
    """A round of self-training."""
    labels = {"<i>no": 30, "yes": 90}
    return {"round": 1, "asked": 4000, "taken": 120, "labels": labels, "before": 0.71, "after": 0.734, "kept": True}


def explained():
    """A mistake: one word for the answer that was given, one against it, and one that hardly counts."""
    words = [("<i>fine", 1.2, 0.9), ("broken", -0.8, -1.1), ("thing", 0.01, 0.0)]
    parts = [{"text": text, "gradients": by_slope, "occlusion": by_mask} for text, by_slope, by_mask in words]
    said = {"prediction": "yes", "label": "no", "probability": 0.97, "log_odds": 3.5, "nothing": 0.1}
    return {"id": "r7", "why": "worst mistake", **said, "words_together": 2, "texts": [parts[:2], [parts[2]]]}


@pytest.fixture(scope="module")
def page():
    return render_report(report(predictions(0.7, 2)))


class Tags(HTMLParser):
    """Collects tags that must be closed, and whatever a tag would load."""

    def __init__(self):
        super().__init__()
        self.open, self.loaded, self.names = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.loaded += [v for k, v in attrs if k in {"src", "href", "srcset", "data", "xlink:href"}]
        if tag not in {"meta", "br", "line", "circle", "polyline"}:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"line", "circle", "polyline"}:
            assert self.open.pop() == tag


def test_the_page_loads_nothing(page):
    tags = Tags()
    tags.feed(page)
    assert tags.open == [], "every tag is closed"
    assert tags.loaded == []
    assert not re.search(r"url\(|@import|https?://", page)
    assert tags.names.isdisjoint({"script", "link", "img", "iframe"})


def test_texts_of_the_data_are_no_markup(page):
    assert "&lt;b&gt;document&lt;/b&gt;" in page
    assert "alert(1)" in page
    assert "<script" not in page


def test_the_page_shows_every_rival_and_every_part(page):
    for words in (
        "Champion",
        "Overlap and TF-IDF",
        "No continued pretraining",
        "-12.0",
        "d41d8cd98f00b204e",
        "AUC",
        "Each label",
    ):
        assert words in page
    assert page.count("<svg") == 5, "scores, bits per byte, calibration and two curves; the empty one is left out"


def test_the_page_says_what_difference_the_examples_can_tell(page):
    gap = report(predictions(0.7, 2))["champion"]["difference"]
    least = (gap["high"] - gap["low"]) / 2 * (1.959964 + 0.841621) / 1.959964
    assert f'<td class="number soft">{least:.3f}</td>' in page
    assert "200 independent groups of examples detect 80&thinsp;% of the time" in page


def test_classifiers_are_compared_by_mcnemars_test_too(page):
    found = report(predictions(0.7, 2))
    test = found["champion"]["mcnemar"]
    assert test["won"] > test["lost"]
    assert f'<td class="number soft">{test["won"]}, {test["lost"]}</td><td class="number soft">{test["p"]:.3f}' in page
    assert f"; won {test['won']}, lost {test['lost']}, McNemar's p {test['p']:.3f} |" in _change(found)


@pytest.mark.parametrize(("p", "shown"), [(0.0005, "0.001"), (0.0004, "< 0.001"), (1.0, "1.000")])
def test_a_p_value_is_never_zero(p, shown):
    assert p_value(p) == shown


def test_the_page_says_what_the_model_taught_itself(page):
    assert "&lt;i&gt;no 25&thinsp;%, yes 75&thinsp;%" in page
    assert '<td class="number">4,000</td><td class="number">120</td>' in page
    assert '<td class="number">0.710</td><td class="number">0.734</td><td>kept</td>' in page
    assert "What it taught itself" not in render_report(report() | {"self_training": []})


def test_words_for_and_against_an_answer_differ_without_colour_too(page):
    assert '<mark class="for s3" title="+1.200">&lt;i&gt;fine</mark>' in page
    assert '<mark class="against s2" title="-0.800">broken</mark>' in page
    assert '<p class="pre quote">thing</p>' in page, "what hardly counts is not marked"
    assert '<td>broken</td><td class="number">-0.800</td><td class="number">-1.100</td>' in page
    lines = re.findall(r"mark\.(for|against) { text-decoration-style: (\w+)", page)
    assert dict(lines) == {"for": "solid", "against": "dotted"}
    assert "2 words at a time" in page
    assert "Which words" not in render_report(report() | {"explanations": []})


def test_the_same_report_is_the_same_page():
    assert render_report(report()) == render_report(report())


def test_a_first_model_has_no_champion_to_be_compared_with():
    first = render_report(report())
    assert "no champion was compared with" in first
    assert "champion" not in summary(report())


def test_generated_texts_have_a_page_too(capsys):
    texts = [{"id": f"t{n}", "prompt": f"write {n}", "completion": f"text {n}"} for n in range(30)]
    said = [
        {"id": t["id"], "reference": t["completion"], "prediction": "text", "bits": 9.0, "bytes": 6, "rouge_l": 0.5}
        for t in texts
    ]
    task = TASKS["generation"]
    compared = Comparison(task, texts, seed=7)
    written = report() | {
        "task": "generation",
        "primary": "bits_per_byte",
        "n": 30,
        "metrics": compared.intervals(said),
        "baselines": {
            "frozen_base": compared.opponent(said, [{"id": p["id"], "bits": 12.0, "bytes": 6} for p in said]),
            "nearest": compared.opponent(said, [{"id": p["id"], "rouge_l": 0.6} for p in said]),
        },
        "control": None,
        "labels": label_rows(task, said),
        "calibration": calibration_rows(task, said),
        "examples": examples(task, texts, said, said),
    }
    page = render_report(written)
    assert (
        "Answer to the nearest training text cannot be compared on this; its ROUGE-L is 0.600, this model's 0.500"
        in page
    )
    assert summary(written).startswith("It clearly beats every trivial answer that has this metric.")
    terminal.scores(written)
    assert "it has rouge_l 0.600" in capsys.readouterr().out
    assert "| baseline nearest | -, it has rouge\\_l 0.6000 |" in _change(written)
    assert [r["name"] for r in rivals(written) if r["kind"] == "baseline"] == ["Base model, untrained"]
    assert "Can its confidence be believed?" not in page
    assert "McNemar" not in page
    assert set(written["metrics"]) == {"rouge_l", "bits_per_byte", "distinct_1", "distinct_2", "self_bleu"}
    assert "no interval" in page


def test_the_summary_says_plainly_what_was_not_beaten():
    weak = report()
    weak["baselines"]["overlap_tfidf"]["difference"] = {"value": 0.01, "low": -0.01, "high": 0.03}
    assert summary(weak).startswith("It does not clearly beat Overlap and TF-IDF.")
    assert summary(report()).startswith("It clearly beats every trivial answer.")
    assert "12.0% fewer bits for domain text and 1.0% more bits for general text" in summary(report())


def test_the_best_baseline_comes_first():
    two = report()
    two["baselines"]["frozen_cosine"] = copy.deepcopy(two["baselines"]["overlap_tfidf"])
    two["baselines"]["frozen_cosine"]["metrics"]["accuracy"] = 0.7
    assert [r["name"] for r in rivals(two)][:2] == ["Frozen encoder's cosine", "Overlap and TF-IDF"]


@pytest.mark.parametrize(
    ("low", "high", "metric", "answer"),
    [
        (0.01, 0.03, "accuracy", "better"),
        (-0.03, -0.01, "accuracy", "worse"),
        (-0.03, 0.01, "accuracy", "unclear"),
        (0.0, 0.0, "accuracy", "unclear"),
        (-0.03, -0.01, "bits_per_byte", "better"),
        (0.01, 0.03, "bits_per_byte", "worse"),
    ],
)
def test_a_difference_is_clear_only_when_its_interval_leaves_out_zero(low, high, metric, answer):
    assert clearly({"low": low, "high": high}, metric) == answer


def test_ten_examples_show_mistakes_differences_and_chance():
    ours, champion = predictions(0.8), predictions(0.7, 2)
    shown = examples(PAIRS, ROWS, ours, champion)
    assert [e["why"] for e in shown] == ["worst mistake"] * 3 + ["champion differs"] * 3 + ["by chance"] * 4
    assert len({e["id"] for e in shown}) == 10
    assert all(e["prediction"] != e["label"] for e in shown[:3])
    assert all(e["prediction"] != e["champion_prediction"] for e in shown[3:6])
    alone = examples(PAIRS, ROWS, ours, None)
    assert [e["why"] for e in alone] == ["worst mistake"] * 3 + ["by chance"] * 7
    assert all(e["champion_prediction"] is None for e in alone)


def test_a_model_compared_with_itself_differs_by_exactly_nothing():
    same = Comparison(PAIRS, ROWS, seed=7).opponent(predictions(0.8), predictions(0.8))
    assert same["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_models_that_answered_different_rows_are_not_compared():
    ours, compared = predictions(0.8), Comparison(PAIRS, ROWS, seed=7)
    swapped = [ours[1], ours[0], *ours[2:]]
    with pytest.raises(Refused, match="test row 1 is 'r0', and was answered as 'r1'"):
        compared.intervals(swapped)
    with pytest.raises(Refused, match="399 answers to 400 test rows"):
        compared.opponent(ours, ours[1:])
    relabelled = [ours[0] | {"label": "yes"}, *ours[1:]]
    with pytest.raises(Refused, match=r"test row 1 \('r0'\) had another right answer"):
        compared.opponent(ours, relabelled)


@pytest.mark.parametrize(("low", "high"), [(0.613, 0.802), (0, 1), (0, 2e6)])
def test_an_axis_has_round_ticks_within_it(low, high):
    ticks = Scale(low, high, 0, 100).ticks()
    assert 1 <= len(ticks) <= 8
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in ticks)


def test_earlier_domains_stand_in_the_plot_and_in_the_table():
    found = report(predictions(0.7, 2))
    for values in (*found["bits_per_byte"].values(), found["bits_per_byte_change"]):
        values |= {"law": 3.217, "news": 2.05}
    page = render_report(found)
    assert page.count(">law<") == page.count(">news<") == 2
    assert page.count("3.217") > page.count("2.050") > 0
