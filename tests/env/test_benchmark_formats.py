"""Published formats with the answer or the data apart from the text are read as problems that can be solved."""

import hashlib
import json

import pytest

from storm_calm.env.problems.benchmarks import load_benchmarks
from storm_calm.env.problems.benchmarks.benchmark_files import sha256_of

PROGRAM = '''def ship(supply, rate):
    """
    Args:
        supply: a list of integers, the goods at each origin
        rate: an integer, the cost per unit

    Returns:
        cost: an integer, the least cost
    """
    return 0
'''


def put(folder, **files):
    """Write files, with data as JSON; two underscores in a name are its dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_complexor_folders_give_questions_with_their_data(tmp_path):
    sample = [{"input": {"supply": [20, 30], "rate": 8}, "output": [400]}]
    put(tmp_path / "ComplexOR" / "ship", description__txt="Ship at least cost.", sample__json=sample)
    put(tmp_path / "ComplexOR" / "ship", code_example__py=PROGRAM)
    put(tmp_path / "ComplexOR" / "broken", description__txt="Ship.", sample__json=[], code_example__py="def (")
    loaded = load_benchmarks(["complexor"], tmp_path)
    (problem,) = loaded.problems
    assert (problem.id, problem.answers, problem.source) == ("complexor-ship", (400.0,), "complexor: ComplexOR")
    assert problem.question == (
        "Ship at least cost.\n\nData:\n"
        "- supply = [20, 30]: a list of integers, the goods at each origin\n"
        "- rate = 8: an integer, the cost per unit"
    )
    assert loaded.unread == (f"{tmp_path}/ComplexOR/broken",)
    assert (loaded.releases[0].file, loaded.releases[0].published) == ("ComplexOR/", False)


def test_described_data_in_one_file_are_read_alike(tmp_path):
    described = {"rate": {"value": 8, "description": "cost per unit"}}
    rows = {"prob_001": {"description": "Ship.", "sample": [{"input": described, "output": [400.5]}]}}
    (tmp_path / "summary_complexor.json").write_text(json.dumps(rows))
    loaded = load_benchmarks(["complexor"], tmp_path)
    assert [(one.question, one.answers) for one in loaded.problems] == [
        ("Ship.\n\nData:\n- rate = 8: cost per unit", (400.5,))
    ]
    assert (loaded.problems[0].id, loaded.releases[0].release) == ("complexor-prob_001", "orthought")


INFO = {"parametrized_description": "...", "parameters": {"Hours": {"description": "Hours a week", "shape": []}}}


def test_nlp4lp_folders_are_in_numerical_order_with_their_parameters(tmp_path):
    for number, objective in ((10, 9000.0), (2, 5.0)):
        put(
            tmp_path / "NLP4LP" / str(number),
            description__txt=f"Bake for {number} hours.",
            parameters__json={"Hours": number, "Costs": [[1, 2], [3, 4]]},
            problem_info__json=INFO,
            solution__json={"variables": {"bread": 1.0}, "objective": objective},
        )
    put(tmp_path / "NLP4LP" / "3", description__txt="Nothing.", solution__json={}, problem_info__json={})
    (tmp_path / "NLP4LP" / "INFO.md").write_text("x")
    loaded = load_benchmarks(["nlp4lp"], tmp_path)
    assert [(one.id, one.answers) for one in loaded.problems] == [("nlp4lp-2", (5.0,)), ("nlp4lp-10", (9000.0,))]
    assert loaded.problems[1].question == (
        "Bake for 10 hours.\n\nData:\n- Hours = 10: Hours a week\n- Costs = [[1, 2], [3, 4]]"
    )
    assert loaded.unread == (f"{tmp_path}/NLP4LP/3",)


def test_nlp4lp_rows_of_the_hub_have_json_in_texts(tmp_path):
    row = {"description": "Bake.", "parameters": json.dumps({"Hours": 7}), "problem_info": json.dumps(INFO)}
    row |= {"optimus_code": "import gurobipy", "solution": json.dumps({"objective": 12.5})}
    write(tmp_path / "nlp4lp.jsonl", row, {**row, "solution": "{}"}, {**row, "solution": "none"})
    loaded = load_benchmarks(["nlp4lp"], tmp_path)
    assert [(one.question, one.answers) for one in loaded.problems] == [
        ("Bake.\n\nData:\n- Hours = 7: Hours a week", (12.5,))
    ]
    assert len(loaded.unread) == 2


def test_a_sample_that_is_the_solution_is_not_in_the_question(tmp_path):
    sample = [{"input": {"chairs": 20, "tables": 15}, "output": [5050]}]
    put(tmp_path / "NL4Opt" / "prob_1", description__txt="Build chairs and tables.", sample__json=sample)
    (problem,) = load_benchmarks(["nl4opt"], tmp_path).problems
    assert (problem.question, problem.answers) == ("Build chairs and tables.", (5050.0,))


def test_other_formats_have_their_answers_where_they_are_published(tmp_path):
    write(
        tmp_path / "OptiBench.json",
        {"question": "Sell?", "index": 0, "results": {"The price": "1.5", "The profit": "3600.0"}},
        {"question": "Buy?", "index": 1, "results": "{'The cost': '12.0'}"},
        {"question": "Swap?", "index": 2, "results": {}},
    )
    write(
        tmp_path / "bwor.jsonl",
        {"en_question": "Mix?", "cn_question": "?", "answer": 5450.0, "solution_status": "optimal"},
        {"en_question": "Cut?", "cn_question": "?", "answer": None, "solution_status": "no_optimal"},
    )
    (tmp_path / "summary_logior.json").write_text(
        json.dumps({"prob_001": {"description": "Route?", "ground_truth": 537.0, "problem_type": "NLP"}})
    )
    found = load_benchmarks(["optibench", "bwor", "logior"], tmp_path)
    assert [(one.id, one.answers) for one in found.problems] == [
        ("optibench-1", (3600.0,)),
        ("optibench-2", (12.0,)),
        ("bwor-1", (5450.0,)),
        ("bwor-2", ("infeasible",)),
        ("logior-prob_001", (537.0,)),
    ]
    assert found.unread == (f"{tmp_path}/OptiBench.json:3",)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "optimal", "obj": 12}, (12.0,)),
        ({"status": "infeasible", "obj": None}, ("infeasible",)),
        ({"status": "infeasible or unbounded", "obj": None}, None),
        ({"status": "optimal", "obj": None}, None),
    ],
)
def test_a_status_is_the_answer_only_if_it_is_one(tmp_path, answer, expected):
    put(tmp_path / "LogiOR" / "prob_001", question__txt="Route?", answer__json=answer)
    put(tmp_path / "LogiOR" / "prob_002", question__txt="Load?", answer__json={"status": "optimal", "obj": 1})
    problems = {one.id: one.answers for one in load_benchmarks(["logior"], tmp_path).problems}
    assert problems.get("logior-prob_001") == expected


def test_an_empty_row_is_left_out_and_counted(tmp_path):
    (tmp_path / "optmath.csv").write_text("problem_class,question,answer\n[],,\n[Job],How many?,7\n")
    loaded = load_benchmarks(["optmath"], tmp_path)
    assert ([one.answers for one in loaded.problems], len(loaded.unread)) == ([(7.0,)], 1)


def test_error_for_a_broken_file_in_a_folder_names_it(tmp_path):
    put(tmp_path / "ComplexOR" / "ship", description__txt="Ship.", sample__json="[{")
    with pytest.raises(ValueError, match=r"ComplexOR/ship/sample\.json: not JSON"):
        load_benchmarks(["complexor"], tmp_path)


def test_the_hash_of_a_folder_is_that_of_the_list_by_sha256sum(tmp_path):
    put(tmp_path / "a", description__txt="A", notes__md="not read")
    put(tmp_path / "b", description__txt="B", sample__json=[])
    names = ("a/description.txt", "b/description.txt", "b/sample.json")
    lines = [f"{hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    assert sha256_of(tmp_path) == hashlib.sha256("".join(lines).encode()).hexdigest()
