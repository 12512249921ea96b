"""The table of students says what was measured, and nothing of what was measured in part."""

from tests.benchmarks.students import table

NUMBERS = {"f1": 0.5, "parameters": 1_000}


def test_a_way_has_the_mean_over_seeds_and_one_that_lacks_a_seed_is_left_out():
    found = {"classification.original": {"accuracy": 0.9, "f1": 0.8, "parameters": 22_000}}
    found |= {f"classification.labels.{seed}": {"accuracy": seed / 10, **NUMBERS} for seed in (7, 8, 9)}
    found["classification.teacher.8"] = {"accuracy": 1.0, **NUMBERS}
    assert table(found).splitlines()[2:] == [
        "| `cls_en_finphrasebank`: **the teacher** | 22,000 | 0.900 | 0.800 |",
        "| labels | 1,000 | 0.800 (0.700 to 0.900) | 0.500 (0.500 to 0.500) |",
    ]
