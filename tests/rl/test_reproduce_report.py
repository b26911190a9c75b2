"""The report: the measured figures, the paper's claims, and a self-contained page."""

import json
import re
import sys

import pytest

from storm_calm.rl.reproduce.measured_figures import collect
from storm_calm.rl.reproduce.paired_differences import contrast
from storm_calm.rl.reproduce.paper_claims import claims, is_small
from storm_calm.rl.reproduce.reproduce_config import QUICK
from storm_calm.rl.reproduce.write_report import write_report
from support.fake_reproduction import LIKE_THE_PAPER, PROBLEMS, evaluated, noted, reproduction

pytestmark = pytest.mark.slow

SFT, GRPO, LESS, CLASS_1, CLASS_2, SHIFT, PLAIN = range(7)


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    """A reproduction of three seeds whose models behave like the paper's."""
    return reproduction(tmp_path_factory.mktemp("paper"), seeds=(0, 1, 2))


@pytest.fixture(scope="module")
def figures(paper):
    return collect(paper)


@pytest.fixture(scope="module")
def facts(paper):
    """The content of report.json."""
    return write_report(paper)


def compared(out, **changed):
    """Return the claims on a reproduction with changed models."""
    return claims(collect(reproduction(out, models={**LIKE_THE_PAPER, **changed})))


def test_accuracy_is_over_problems_and_seeds_by_difficulty(figures):
    base, grpo = figures.models["base"].accuracy, figures.models["grpo"].accuracy
    assert (base["easy"].mean, base["complex"].mean, base["all"].mean) == pytest.approx((0.6, 0.5, 0.55))
    assert (base["easy"].problems, base["all"].problems) == (60, 120)
    # 0.85 and 0.02 more for each seed after the first, of 60 problems.
    assert grpo["easy"].by_seed == pytest.approx((51 / 60, 52 / 60, 53 / 60))
    assert grpo["easy"].mean == pytest.approx(52 / 60)
    assert grpo["easy"].low < grpo["easy"].mean < grpo["easy"].high


def test_more_seeds_do_not_narrow_the_interval(tmp_path, figures):
    one = collect(reproduction(tmp_path, seeds=(0,)))
    widths = [found.models["sft"].accuracy["all"] for found in (one, figures)]
    assert widths[1].high - widths[1].low == pytest.approx(widths[0].high - widths[0].low, abs=0.02)


def test_a_difference_is_paired_over_shared_problems_and_seeds(figures):
    base, sft = figures.runs["base"], figures.runs["sft"]
    found = contrast("right", ((-1, base), (1, sft)))
    assert found.mean == pytest.approx(sum((33 - 36 + 4, 38 - 36 + 31 - 30, 40 - 36 + 32 - 30)) / 360, abs=0.02)
    only = contrast("right", ((-1, base), (1, {2: sft[2]})), figures.problems["complex"])
    assert only.mean == pytest.approx(32 / 60 - 30 / 60)
    assert contrast("right", ((-1, {0: base[0]}), (1, {2: sft[2]}))) is None


def test_behaviour_figures_come_from_the_evaluations(figures):
    base, plain = figures.models["base"], figures.models["plain-sft"]
    # Of 24 and 30 wrong trajectories 60 % are guesses by hand, which the rules find.
    assert base.first_finding["manual_computation"] == pytest.approx((14 + 18) / 120, abs=1e-6)
    assert base.behaviour["class_1"] == pytest.approx(32 / 120, abs=1e-6)
    assert base.behaviour["executions"] == pytest.approx(88 / 120, abs=1e-6)
    assert base.behaviour["model_tokens"] == pytest.approx((88 * 90 + 32 * 40) / 120, abs=1e-5)
    assert (plain.behaviour["flawed"], plain.behaviour["executions"]) == (0.0, 1.0)


def test_results_like_the_papers_agree_with_its_claims(figures):
    found = claims(figures)
    agreeing = {SFT, GRPO, LESS, CLASS_1, PLAIN}
    assert {number for number, claim in enumerate(found) if claim.verdict == "agrees"} == agreeing
    assert found[SFT].measured == "55.0 % -> 57.8 % (+2.8 points, +0.8 to +5.3)"
    assert found[PLAIN].measured.startswith("complex 50.0 % -> 21.7 % (-28.3 points, ")
    assert {found[number].reason for number in agreeing} == {""}


def test_programs_longer_than_guesses_differ_from_the_paper_with_a_reason(figures):
    claim = claims(figures)[SHIFT]
    assert (claim.verdict, claim.measured) == (
        "differs",
        "programs 0.73 -> 0.98 per trajectory (+34%), tokens 77 -> 89 (+16%)",
    )
    assert "it guesses instead of writing a program" in claim.reason


def test_an_sft_that_removes_most_flaws_differs_with_a_reason(tmp_path):
    repaired = {"easy": 0.95, "complex": 0.92, "guessed": 0.2}
    found = compared(tmp_path, sft=repaired, grpo={"easy": 0.95, "complex": 0.93, "guessed": 0.0})
    assert found[SFT].verdict == "differs"
    assert (
        "95 golden trajectories per seed are enough to unlearn them: hints turned 57.0 % correct into 95.0 %"
        in found[SFT].reason
    )
    assert found[GRPO].verdict == "inconclusive"
    assert found[GRPO].reason.startswith("after SFT only 6.7 % of answers are wrong, and in 25.0 % of groups")


def test_a_base_model_with_equal_gains_without_sft_differs(tmp_path):
    found = compared(tmp_path, **{"grpo-base": {"easy": 0.97, "complex": 0.97, "guessed": 0.0}})
    assert found[LESS].verdict == "differs"
    assert found[LESS].measured.startswith("ends at 96.7 % without SFT, at 80.0 % with it (-16.7 points, ")
    assert found[LESS].reason.startswith("the reward alone gained 41.7 points")


def test_harmless_plain_pairs_differ_with_a_reason(tmp_path):
    found = compared(tmp_path, **{"plain-sft": {"easy": 0.9, "complex": 0.85, "guessed": 0.0}})
    assert found[PLAIN].verdict == "differs"
    assert "the base model writes only 77 tokens" in found[PLAIN].reason


def test_flaws_that_fall_with_grpo_alone_are_not_credited_to_sft(tmp_path):
    found = compared(tmp_path, sft={**LIKE_THE_PAPER["base"]})
    assert found[CLASS_1].verdict == "differs"
    assert found[CLASS_1].reason.startswith("SFT left most of them")


def test_a_tiny_reproduction_is_inconclusive(tmp_path):
    out = reproduction(tmp_path, problems=PROBLEMS[:24], config=QUICK)
    figures = collect(out)
    assert is_small(figures)
    assert {claim.verdict for claim in claims(figures)} == {"inconclusive"}
    write_report(out)
    for name in ("report.html", "report.md"):
        assert "This run is too small to show anything." in (out / name).read_text()


def test_missing_measurements_and_unfinished_stages_are_listed(tmp_path):
    folder = tmp_path / "seed-0"
    evaluated(folder, "base", **LIKE_THE_PAPER["base"])
    evaluated(folder, "sft", **LIKE_THE_PAPER["sft"])
    noted(folder, "eval-base", seed=0)
    facts = write_report(tmp_path)
    verdicts = [claim["verdict"] for claim in facts["claims"]]
    assert verdicts == ["agrees", *["not measured"] * 6]
    assert "eval-base" not in facts["unfinished"]
    assert "grpo-base" in facts["unfinished"]
    text = (tmp_path / "report.html").read_text()
    assert "Not everything is done: curate, export, sft," in text
    assert "GRPO, step by step" not in text


def test_a_folder_without_an_evaluation_has_no_report(tmp_path):
    noted(tmp_path / "seed-0", "curate", seed=0)
    with pytest.raises(ValueError, match="no model is evaluated yet; run storm reproduce --out"):
        write_report(tmp_path)


def test_the_page_is_self_contained_and_has_table_plots_claims_and_times(paper, facts):
    page = (paper / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "url(" not in page
    assert page.count("data:image/svg+xml;base64,") == 3
    words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "SFT + GRPO 86.7 % 78-94; seeds 85.0-88.3" in words
    assert "base 60.0 % 47-71 50.0 % 38-62 55.0 %" in words  # Its seeds are the same.
    assert "manual computation 26.7 4.2 1.9 20.6 0.0" in words
    assert "GRPO on top of SFT climbs 58.7 % -&gt; 68.9 % (+10.2 points) 57.8 % -&gt; 81.7 %" in words
    assert "GRPO with SFT 10.0 4.0 1.0 3.0 10.0 %" in words
    # Six stages of 300 seconds and five of 30, three times.
    assert "1 h 37 min in all" in words
    assert facts == json.loads((paper / "report.json").read_text())
    assert {"runs", "problems"} & facts.keys() == set()


def test_without_matplotlib_the_page_has_no_plots(tmp_path, monkeypatch, caplog):
    out = reproduction(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert write_report(out)["claims"]
    assert "<img" not in (out / "report.html").read_text()
    assert "the report has no plots" in caplog.text


def test_markdown_tables_have_rows_of_equal_width(paper, facts):
    lines = (paper / "report.md").read_text().splitlines()
    assert lines[3].startswith("| SFT | 63.9 % (52-76), seeds 61.7-66.7 | 51.7 %")
    tables = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in tables[:7]} == {9}
    assert {line.count("|") for line in tables[7:]} == {5}
    assert len(tables) == 7 + 9


def test_the_doctor_examines_every_seed(figures, paper, facts):
    assert set(figures.verdicts) == {0, 1, 2}
    harmed = [
        one for one in facts["verdicts"]["1"] if (one["check"], one["run"]) == ("complex problems", "eval-plain-sft")
    ]
    assert harmed[0]["state"] == "problem"
    words = " ".join(re.sub(r"<[^>]+>", " ", (paper / "report.html").read_text()).split())
    assert "problem complex problems eval-plain-sft, seed 1 pass@1 50.0% -&gt; 21.7% (rule paper)" in words
