"""The verdicts on claims: thresholds and sufficient values, on sweeps with known accuracies."""

import pytest

from storm_calm.rl.sweep.sweep_claims import judge_claims
from storm_calm.rl.sweep.sweep_config import SweepConfig
from storm_calm.rl.sweep.sweep_results import collect_results
from support.fake_sweep import LIKE_THE_CLAIMS, swept

pytestmark = pytest.mark.slow

HINTS, BEFORE_HINTS, FLAWED, GRPO, GOLDEN, ROLLOUTS, EXECUTIONS, REWARDS = range(8)


def judged(out, *, studies=None, without=(), seeds=(0,), config=None, **accuracies):
    changed = {name.replace("_", "-"): share for name, share in accuracies.items()}
    options = {} if config is None else {"config": config}
    folder = swept(out, accuracies=LIKE_THE_CLAIMS | changed, studies=studies, without=without, seeds=seeds, **options)
    return judge_claims(collect_results(folder))


@pytest.fixture(scope="module")
def holding(tmp_path_factory):
    """The claims on a sweep of two seeds like the claims."""
    return judged(tmp_path_factory.mktemp("holding"), seeds=(0, 1), grpo_executions_8=0.84, grpo_rewards_solver=0.84,
                  grpo_rewards_format=0.84)  # fmt: skip


def test_results_like_the_claims_hold(holding):
    assert [claim.verdict for claim in holding] == ["holds"] * 8


def test_differences_are_paired_and_have_their_reference(holding):
    assert holding[FLAWED].reference == "0 %"
    parts = holding[FLAWED].measured.split("; ")
    assert [part.partition(":")[0] for part in parts] == ["10 %", "20 %", "30 %", "50 %"]
    assert parts[-1].startswith("50 %: -25.0 (-3")
    assert [part.partition(":")[0] for part in holding[GOLDEN].measured.split("; ")] == ["270", "540"]


def test_longer_hints_are_compared_with_the_same_trajectories(holding, tmp_path):
    assert holding[HINTS].reference == "all with hints"
    assert holding[HINTS].measured.startswith("longer, 15 %: ")
    # Equally bad with the hints as they are: length does no harm.
    bad = {f"sft_hints_{share}": 0.40 + share / 10_000 for share in (15, 20, 30, 40)}
    found = judged(tmp_path, studies=("hints",), sft_hints_all=0.4, **bad)
    assert found[HINTS].verdict != "holds"


def test_harm_within_the_threshold_refutes_it(tmp_path):
    (found, _) = judged(tmp_path, studies=("flawed",), sft_flawed_10=0.6)
    assert (found.name, found.verdict) == ("Over 10 to 15 % flawed trajectories in the SFT data harm", "does not hold")


def test_harmless_values_beyond_the_threshold_refute_it(tmp_path):
    better = {f"sft_flawed_{share}": 0.76 for share in (10, 20, 30, 50)}
    (found, _) = judged(tmp_path, studies=("flawed",), **better)
    assert found.verdict == "does not hold"


def test_harm_that_is_not_certain_at_the_largest_value_is_inconclusive(tmp_path):
    small = {"sft_flawed_20": 0.76, "sft_flawed_30": 0.70, "sft_flawed_50": 0.75}
    (found, _) = judged(tmp_path, studies=("flawed",), **small)
    assert found.verdict == "inconclusive"


def test_a_large_certain_gain_refutes_that_a_value_is_enough(tmp_path):
    (found,) = judged(tmp_path, studies=("golden",), sft_golden_540=0.85)
    assert found.verdict == "does not hold"


def test_a_certain_gain_below_the_margin_with_a_wide_interval_is_inconclusive(tmp_path):
    (found,) = judged(tmp_path, studies=("golden",), sft_golden_540=0.78)
    assert found.verdict == "inconclusive"


def test_a_gain_without_the_loss_before_hints_refutes_that_it_does_no_harm(holding, tmp_path):
    assert holding[BEFORE_HINTS].reference == "loss"
    (found,) = judged(tmp_path, studies=("before_hints",), sft_hints_all_masked=0.9)
    assert (found.verdict, found.measured.partition(":")[0]) == ("does not hold", "no loss")


def test_smaller_values_do_not_matter_for_enough(tmp_path):
    (found,) = judged(tmp_path, studies=("rollouts",), grpo_rollouts_2=0.99)
    assert found.verdict == "holds"


def test_any_reward_variant_can_refute_the_plain_reward(tmp_path):
    (found,) = judged(tmp_path, studies=("rewards",), grpo_rewards_process=0.95)
    assert (found.verdict, found.reference) == ("does not hold", "0/1")


def test_a_missing_point_makes_a_claim_inconclusive_and_a_missing_reference_not_measured(tmp_path):
    found = judged(tmp_path / "a", studies=("flawed",), without=("sft-flawed-30",))
    assert [claim.verdict for claim in found] == ["inconclusive", "holds"]
    found = judged(tmp_path / "b", studies=("flawed",), without=("grpo-reference",))
    assert [claim.verdict for claim in found] == ["holds", "not measured"]


def test_only_claims_of_the_chosen_studies_are_judged(tmp_path):
    assert [claim.study for claim in judged(tmp_path, studies=("golden", "executions"))] == ["golden", "executions"]


def test_a_small_sweep_is_inconclusive(tmp_path):
    found = judged(tmp_path, studies=("flawed",), config=SweepConfig(heldout=60))
    assert {claim.verdict for claim in found} == {"inconclusive"}
