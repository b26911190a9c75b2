"""What reviewers found: rates, agreement, rejections and tables, each worked out by hand here."""

import csv
import json
from math import sqrt

import pytest

from storm_calm.serving.review.export_ratings import check_file, write
from storm_calm.serving.review.read_review import read_review
from storm_calm.serving.review.review_results import results, results_to_json
from storm_calm.serving.review.review_sample import sampled
from storm_calm.serving.review.reviewer import reviewing
from support.fake_reasoner import workshop

FINE = {"finding": "yes", "trigger": "yes", "hint": "yes", "lightweight": "yes", "leak": "no"}


def wilson(yes, n):
    """The ends of Wilson's 95 % interval (E. B. Wilson, 1927)."""
    z, p = 1.959963984540054, yes / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return pytest.approx((p, middle - half, middle + half), abs=2e-6)


@pytest.fixture
def reviewed(made, intervened):
    """Ten interventions, six of them by rules and four by a model; ana reviewed all of them, ben the first eight."""
    folder = made(
        *(intervened(workshop(hours)) for hours in range(6)),
        *(intervened(workshop(hours), rule="llm", trigger="solver_distrust") for hours in range(6, 10)),
    )
    items = sampled(folder)
    place = {item.id: number for number, item in enumerate(items)}

    def say(name, hours, said):
        with reviewing(folder, name, items) as reviewer:
            answers = {**FINE, **said}
            right = "none" if answers["trigger"] == "no" else None
            reviewer.save(place[f"workshop-{hours}#0"], {"answers": answers, "right_trigger": right})

    for hours in range(10):
        say("ana", hours, ANA.get(hours, {}))
    for hours in range(8):
        say("ben", hours, BEN.get(hours, {}))
    return folder


ANA = {
    0: {"finding": "no", "trigger": "no"},
    1: {"finding": "no"},
    2: {"hint": "no"},
    3: {"hint": "cannot_say"},
    8: {"leak": "yes"},
    9: {"trigger": "no", "lightweight": "no"},
}
BEN = {
    0: {"finding": "no"},
    2: {"hint": "cannot_say"},
    3: {"hint": "cannot_say"},
    4: {"leak": "yes"},
    5: {"lightweight": "no", "trigger": "cannot_say"},
}


def test_rates_count_interventions_and_a_tie_speaks_against_them(reviewed):
    found = results_to_json(results(read_review(reviewed)))
    assert (found["sample"], found["drawn_from"], found["reviewers"]) == (10, 10, {"ana": 10, "ben": 8})
    # finding: 0 no twice; 1 no and yes, a tie; the other eight yes.
    # trigger: 0 no and yes, a tie; 5 yes once, as ben can't say; 9 no; the other seven yes.
    # hint: 2 no once, as ben can't say; 3 nobody can say; the other eight yes.
    # leak: 4 no and yes, a tie, which counts as a leak; 8 yes.
    expected = {
        "finding": (10, 8, 1, 0),
        "trigger": (10, 8, 1, 1),
        "hint": (9, 8, 0, 3),
        "lightweight": (10, 8, 1, 0),
        "leak": (10, 2, 1, 0),
    }
    for question, (n, yes, split, cannot_say) in expected.items():
        rate = found["overall"][question]
        assert (rate["n"], rate["yes"], rate["split"], rate["cannot_say"]) == (n, yes, split, cannot_say), question
        assert (rate["rate"], rate["low"], rate["high"]) == wilson(yes, n), question


def test_rates_stand_by_finder_and_by_trigger_too(reviewed):
    found = results_to_json(results(read_review(reviewed)))
    assert list(found["by_finder"]) == ["llm", "rules"]
    assert list(found["by_trigger"]) == ["manual_computation", "solver_distrust"]
    # As every model's finding here is of one trigger, and every rule's of the other.
    assert found["by_finder"]["rules"] == found["by_trigger"]["manual_computation"]
    assert found["by_finder"]["llm"] == found["by_trigger"]["solver_distrust"]
    rules, llm = found["by_finder"]["rules"], found["by_finder"]["llm"]
    assert (rules["reviewed"], llm["reviewed"]) == (6, 4)
    assert (rules["hint"]["n"], rules["hint"]["yes"], rules["hint"]["cannot_say"]) == (5, 4, 3)
    assert (rules["hint"]["rate"], rules["hint"]["low"], rules["hint"]["high"]) == wilson(4, 5)
    assert (llm["leak"]["rate"], llm["leak"]["low"], llm["leak"]["high"]) == wilson(1, 4)


def test_two_reviewers_agree_as_their_tables_say(reviewed):
    (pair,) = results_to_json(results(read_review(reviewed)))["agreement"]
    assert pair["reviewers"] == ["ana", "ben"]
    # finding, of the first eight: both yes 6, ana no and ben yes 1, both no 1.
    observed, expected = 7 / 8, (6 / 8) * (7 / 8) + (2 / 8) * (1 / 8)
    assert pair["finding"] == {"n": 8, "raw": 0.875, "kappa": round((observed - expected) / (1 - expected), 6)}
    # trigger: 5 is left out, as ben can't say; ana says no to 0, ben always yes, so chance explains it all.
    assert pair["trigger"] == {"n": 7, "raw": round(6 / 7, 6), "kappa": 0.0}
    # hint: 2 and 3 are left out; both always say yes to the rest.
    assert pair["hint"] == {"n": 6, "raw": 1.0, "kappa": None}


def test_rejected_is_what_half_of_its_reviewers_are_against(reviewed):
    assert read_review(reviewed).rejected_runs == {
        "workshop-0": "#0: 2 of 2 reviewers: finding wrong",
        "workshop-1": "#0: 1 of 2 reviewers: finding wrong",
        "workshop-2": "#0: 1 of 2 reviewers: hint wrong",
        "workshop-4": "#0: 1 of 2 reviewers: leak",
        "workshop-8": "#0: 1 of 1 reviewers: leak",
    }


def test_one_against_two_is_not_rejected(reviewed):
    items = sampled(reviewed)
    with reviewing(reviewed, "eve", items) as eve:
        for number in range(10):
            eve.save(number, {"answers": FINE})
    review = read_review(reviewed)
    assert set(review.rejected_runs) == {"workshop-0", "workshop-8"}
    assert len(results(review).agreement) == 3


def test_a_review_in_which_nothing_is_reviewed_says_so(run):
    with pytest.raises(ValueError, match=r"first: has no review; start one with storm review .*first --reviewer NAME"):
        read_review(run)
    with reviewing(run, "ana", sampled(run)) as ana:
        ana.save(0, {"answers": {"finding": "yes"}})
    with pytest.raises(
        ValueError, match=r"no intervention is reviewed yet; continue with storm review .*first --reviewer NAME"
    ):
        read_review(run)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_the_table_has_a_row_for_each_rating(reviewed, tmp_path, suffix):
    review = read_review(reviewed)
    file = tmp_path / "new" / f"ratings{suffix}"
    assert write(review, file) == 18
    with file.open(newline="") as opened:
        rows = list(csv.DictReader(opened)) if suffix == ".csv" else [json.loads(line) for line in opened]
    assert [(row["item"], row["reviewer"]) for row in rows] == [
        (item.id, name)
        for item in review.items
        for name in ("ana", "ben")
        if name == "ana" or item.problem.id < "workshop-8"
    ]
    row = next(row for row in rows if row["item"] == "workshop-0#0" and row["reviewer"] == "ana")
    assert (row["finding_answer"], row["trigger_answer"], row["right_trigger"], row["leak_answer"]) == (
        *("no", "no", "none", "no"),
    )
    assert (row["finder"], row["trigger"], str(row["rejected"])) == ("rules", "manual_computation", "True")
    with pytest.raises(ValueError, match=f"ratings{suffix}: already exists"):
        write(review, file)
    with pytest.raises(ValueError, match=r"written as \.csv or \.jsonl"):
        check_file(tmp_path / "ratings.xlsx")


def test_no_text_becomes_a_formula_in_a_spreadsheet(made, intervened, tmp_path):
    formula = '=HYPERLINK("http://example.org")'
    folder = made(intervened(workshop(1), hint=formula, removed="@SUM(1)\r\nand, more"))
    with reviewing(folder, "ana", sampled(folder)) as ana:
        ana.save(0, {"answers": FINE, "comment": "+1\nyes"})
    review = read_review(folder)
    write(review, tmp_path / "a.csv")
    write(review, tmp_path / "a.jsonl")
    with (tmp_path / "a.csv").open(newline="") as opened:
        (row,) = csv.DictReader(opened)
    assert (row["hint"], row["removed"], row["comment"]) == (f"'{formula}", "'@SUM(1)\r\nand, more", "'+1\nyes")
    assert json.loads((tmp_path / "a.jsonl").read_text())["hint"] == formula
