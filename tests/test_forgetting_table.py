"""The table of what is forgotten compares every way with the base of the same seed, on the same texts."""

from tests.benchmarks.forgetting_table import page

TOLD = {
    "general": {"file": "general", "heldout": 4},
    "domain": {"file": "domain", "heldout": 4},
    "base": {"tokens": 1000},
    "pretrain": {"tokens": 100, "learning_rate": 1e-3},
    "model": "micro-decoder",
    "revision": "abc",
}


def measured(domain: float, general: float) -> dict[str, list[list[float]]]:
    """Four texts of 10 bytes, so many bits a byte."""
    return {"domain": [[10 * domain, 10]] * 4, "general": [[10 * general, 10]] * 4}


def test_changes_are_means_over_seeds_and_shares_of_what_naive_training_did():
    found = {
        "base": {7: measured(4.0, 2.0), 8: measured(5.0, 2.0)},
        "naive": {7: measured(3.0, 3.0), 8: measured(4.0, 3.4)},
        "held": {7: measured(3.5, 2.25), 8: measured(4.5, 2.35)},
    }
    groups = {kind: ["a", "a", "b", "c"] for kind in ("domain", "general")}
    _, base, naive, held = [line for line in page(found, groups, TOLD).splitlines() if line.startswith("| ")]
    assert base == "| base | 4.500 |  | 2.000 |  |  |  |  |"
    assert naive.endswith("| +1.200 (+1.200 to +1.200) | 100% | 100% | +1.000 to +1.400 |")
    assert held.startswith("| held | 4.000 | -0.500 (-0.500 to -0.500) | 2.300 | +0.300 (+0.300 to +0.300) |")
    assert held.endswith("| 50% | 25% | +0.250 to +0.350 |")


def test_a_seed_that_is_not_complete_is_left_out():
    found = {
        name: {7: measured(domain, 2.0 + n)} for n, (name, domain) in enumerate({"base": 4.0, "naive": 3.0}.items())
    }
    found["base"][8] = measured(9.0, 9.0)
    told = page(found, {kind: list("abcd") for kind in ("domain", "general")}, TOLD)
    assert "| base | 4.000 |" in told
    assert "means over 1 seeds" in told
