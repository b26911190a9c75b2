"""Releases of a test set are found, told apart, and matched by their questions."""

import hashlib
import json
import re
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from storm_calm.env import Problem
from storm_calm.env.problems.benchmarks import (
    BENCHMARKS,
    RELEASE_NAMES,
    RELEASES,
    find_all,
    load_benchmarks,
    match_labels,
    releases_of,
    same_label,
)
from storm_calm.env.problems.benchmarks import releases as releases_module
from storm_calm.env.problems.benchmarks.match_questions import question_key


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def row(answer, question="How many chairs?"):
    return {"question": question, "answer": answer}


def loaded_file(folder, *releases, name="industryor"):
    (first, *_) = load_benchmarks([name], folder, releases=releases).releases
    return first.release, first.file


def test_the_registry_is_consistent():
    hashes = [release.sha256 for release in RELEASES if release.sha256]
    assert len(set(hashes)) == len(hashes)
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in hashes)
    assert {release.benchmark for release in RELEASES} == set(BENCHMARKS)
    assert {release.name for release in RELEASES} == set(RELEASE_NAMES)
    for name in BENCHMARKS:
        assert releases_of(name)[0].name == "original"
    assert all(release.problems > 0 and (release.file or release.hub) for release in RELEASES)


@pytest.mark.parametrize(
    ("name", "file", "release"),
    [
        ("industryor", "industryor.jsonl", "original"),
        ("industryor", "IndustryOR_fixedV2.json", "sirl"),
        ("industryor", "optimind_cleaned_classified_industryor.csv", "optimind"),
        ("industryor", "summary_industryor.json", "orthought"),
        ("industryor", "cleaned_industryor.jsonl", "original"),
        ("mamo_easy", "MAMO_EasyLP_fixed.jsonl", "sirl"),
        ("mamo_complex", "Mamo_complex_lp_clean.jsonl", "llm4or"),
        ("mamo_complex", "mamo_complex_original.jsonl", "original"),
        ("optmath", "optmath_bench.jsonl", "original"),
        ("optmath", "OptMATH_Bench_166.jsonl", "original"),
        ("nlp4lp", "NL4LP.jsonl", "llm4or"),
        ("nl4opt", "llmopt/nl4opt_test.jsonl", "llmopt"),
        ("industryor", "releases/LLM4OR/IndustryOR.jsonl", "llm4or"),
        ("mamo_easy", "sirl/part/MAMO_EasyLP.json", "sirl"),
    ],
)
def test_the_release_is_in_the_name_of_the_file_or_its_folder(tmp_path, name, file, release):
    write(tmp_path / file, row(5))
    if file.endswith(".csv"):
        (tmp_path / file).write_text("question,answer\nQ,5")
    assert [(one.benchmark, one.release, one.published) for one in find_all(tmp_path)] == [(name, release, False)]
    assert loaded_file(tmp_path, name=name)[0] == release


def test_a_published_file_is_known_by_its_hash_whatever_its_name(tmp_path, monkeypatch):
    write(tmp_path / "optimind_industryor.jsonl", row(5))
    digest = hashlib.sha256((tmp_path / "optimind_industryor.jsonl").read_bytes()).hexdigest()
    sirl = replace(releases_of("industryor")[2], sha256=digest)
    monkeypatch.setattr(releases_module, "RELEASES", (*RELEASES, sirl))
    (release,) = load_benchmarks(["industryor"], tmp_path).releases
    assert (release.release, release.published, release.sha256) == ("sirl", True, digest)
    write(tmp_path / "optimind_industryor.jsonl", row(6))
    (release,) = load_benchmarks(["industryor"], tmp_path).releases
    assert (release.release, release.published) == ("optimind", False)


def test_files_of_several_releases_are_no_error(tmp_path):
    write(tmp_path / "industryor.jsonl", row(1))
    write(tmp_path / "optimind_industryor.jsonl", row(2))
    write(tmp_path / "sirl" / "IndustryOR.json", row(3))
    assert loaded_file(tmp_path) == ("original", "industryor.jsonl")
    assert loaded_file(tmp_path, "optimind") == ("optimind", "optimind_industryor.jsonl")
    loaded = load_benchmarks(["industryor"], tmp_path, releases=["sirl", "original"])
    assert [one.release for one in loaded.releases] == ["sirl", "original"]
    assert [one.answers for one in loaded.problems] == [(3.0,)]


def test_error_if_the_release_is_missing_or_not_clear(tmp_path):
    write(tmp_path / "optimind_industryor.jsonl", row(2))
    with pytest.raises(ValueError, match=r"no file for the release sirl of industryor \(optimind_industryor\.jsonl"):
        load_benchmarks(["industryor"], tmp_path, releases=["sirl"])
    with pytest.raises(ValueError, match=r"download IndustryOR_fixedV2\.json of github\.com/Cardinal-Operations/SIRL"):
        load_benchmarks(["industryor"], tmp_path, releases=["optimind", "sirl"])
    write(tmp_path / "sirl_industryor.jsonl", row(3))
    with pytest.raises(ValueError, match=r"several releases of industryor: .*; choose one with --release"):
        load_benchmarks(["industryor"], tmp_path)
    write(tmp_path / "fixed_industryor.jsonl", row(4))
    with pytest.raises(ValueError, match=r"several files for industryor: fixed_industryor\.jsonl, sirl_industryor"):
        load_benchmarks(["industryor"], tmp_path, releases=["sirl"])
    with pytest.raises(ValueError, match='unknown release "mine"; known: original, optimind'):
        load_benchmarks(["industryor"], tmp_path, releases=["mine"])
    with pytest.raises(ValueError, match="release optimind of industryor is not on the Hub; download optimind_cleaned"):
        load_benchmarks(["industryor"], releases=["optimind"])
    with pytest.raises(ValueError, match="release optimind of nl4opt is not known to be published"):
        load_benchmarks(["nl4opt"], releases=["optimind"])


def test_a_set_without_the_release_goes_without_it(tmp_path):
    for name in ("nl4opt", "industryor", "optimind_industryor"):
        write(tmp_path / f"{name}.jsonl", row(1))
    loaded = load_benchmarks(["nl4opt", "industryor"], tmp_path, releases=["original", "optimind"])
    assert [(one.benchmark, one.release) for one in loaded.releases] == [
        ("nl4opt", "original"),
        ("industryor", "original"),
        ("industryor", "optimind"),
    ]
    assert [one.id for one in loaded.problems] == ["nl4opt-1", "industryor-1"]


def test_the_limit_is_for_the_questions_not_for_the_labels(tmp_path):
    write(tmp_path / "industryor.jsonl", *(row(one, f"Question {one}?") for one in range(5)))
    write(tmp_path / "optimind_industryor.jsonl", *(row(one, f"Question {one}?") for one in reversed(range(5))))
    loaded = load_benchmarks(["industryor"], tmp_path, releases=["original", "optimind"], limit=2)
    first, other = loaded.releases
    assert (len(loaded.problems), len(first.problems), len(other.problems)) == (2, 2, 5)
    assert match_labels(loaded.problems, other.problems) == {"industryor-1": (0.0,), "industryor-2": (1.0,)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A shop  sells\n5 chairs.", "a shop sells 5 chairs"),
        ("It costs \\$1,200.50, at most.", "It costs $1200.5 at most"),
        ("at most $x \\leq 5 \\, \\text{kg}$", "at most x <= 5 kg"),
        ("at most $x \\le 5$", "at most x ≤ 5"),
        ("The firm’s “best” plan – today", 'The firm\'s "best" plan - today'),
        ("Here\u00e2\u20ac\u2122s the plan \u00e2\u20ac\u201d now", "Here's the plan, now"),
        ("**Objective:** 3 \\times 4", "Objective: 3 × 4"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_notation_does_not_change_a_question(one, other):
    assert question_key(one) == question_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Sell 5 chairs.", "Sell 50 chairs."),
        ("Sell 1.5 tons.", "Sell 15 tons."),
        ("Use 1, 23 and 4.", "Use 12, 3 and 4."),
        ("x \\leq 5", "x \\geq 5"),
        ("x <= 5", "x >= 5"),
        ("a payoff of -5", "a payoff of 5"),
        ("Sell chairs.", "Sell chairs. Only whole chairs."),
    ],
)
def test_another_number_relation_or_word_makes_another_question(one, other):
    assert question_key(one) != question_key(other)


def problem(id, question, *answers):
    return Problem(id=id, question=question, answers=answers)


def test_labels_are_matched_only_if_text_and_data_are_the_same():
    mine = [
        problem("a", "Ship.\n\nData:\n- rate = 8", 1.0),
        problem("b", "Ship.\n\nData:\n- rate = 9", 2.0),
        problem("c", "Sail.", 3.0),
        problem("d", "Fly.", 4.0),
        problem("e", "Walk.", 5.0),
    ]
    release = [
        problem("1", "ship\n\nData:\n- rate = 9", 20.0),
        problem("2", "Sail.\n\nData:\n- rate = 7", 30.0),
        problem("3", "Fly.", 4.0),
        problem("4", "Fly!", 40.0),
        problem("5", "walk", 5.00001),
        problem("6", "Walk", 5.0),
    ]
    assert match_labels(mine, release) == {"b": (20.0,), "c": (30.0,), "e": (5.00001,)}


def test_labels_differ_if_they_accept_other_answers():
    assert same_label((32.43589743589744,), (32.43589744,))
    assert same_label((1.0, "infeasible"), ("infeasible", 1.0))
    assert not same_label((1.0,), (1.0, 2.0))
    assert not same_label((0.0,), (0.1,))
    assert not same_label(("infeasible",), (0.0,))


def test_releases_on_the_hub_are_read_from_their_only_split(monkeypatch):
    rows = [{"en_question": "Mix?", "en_answer": "5450"}, {"en_question": "Cut?", "en_answer": "No Best Solution"}]
    asked = []

    def load_dataset(repository, split):
        asked.append((repository, split))
        return {"train": rows} if split is None else rows

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    loaded = load_benchmarks(["bwor", "nl4opt"], releases=["original"])
    assert asked == [("SJTU/BWOR", None), ("CardinalOperations/NL4OPT", "test")]
    assert [(one.release, one.file, one.sha256, one.published) for one in loaded.releases] == [
        ("original", "SJTU/BWOR", "", None),
        ("original", "CardinalOperations/NL4OPT test", "", None),
    ]
    assert [one.answers for one in loaded.problems] == [(5450.0,), ("infeasible",)] * 2
    rows_by_split = {"train": rows, "test": rows}
    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=lambda *_, **__: rows_by_split))
    with pytest.raises(ValueError, match="SJTU/BWOR: has the splits train, test; give a folder"):
        load_benchmarks(["bwor"])
