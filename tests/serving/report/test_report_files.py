"""The files that `write_report` reads and writes, and invalid input."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.env import write_problems
from storm_calm.serving.report import open_run, write_report
from storm_calm.serving.report.report_page import MARK
from support.fake_reasoner import FakeReasoner, direct, workshop

pytestmark = pytest.mark.slow


def unpacked(report):
    """Return the index of a report, and the trajectories in its blocks."""
    index, blocks = unpacked_blocks(report)
    return index, [block["runs"] for block in blocks]


def unpacked_blocks(report):
    packed = re.findall(r'<script type="text/plain" id="[^"]*">([^<]*)</script>', report.path.read_text())
    index, *blocks = [json.loads(gzip.decompress(base64.b64decode(one))) for one in packed]
    return index, blocks


def text_of(span):
    return span["text"] if "text" in span else "".join(part["text"] for part in span["parts"])


def rows(index):
    fields = [*index["facts"]["fields"], "block", "place"]
    return [dict(zip(fields, row, strict=True)) for row in index["rows"]]


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_blocks_contain_every_record(curated, records, tmp_path):
    index, blocks = unpacked(write_report(open_run(curated), tmp_path / "report.html"))
    found = rows(index)
    assert [row["key"] for row in found] == [record["id"] for record in records]
    for row, record in zip(found, records, strict=True):
        details = blocks[row["block"]][row["place"]]
        spans = record["episode"]["transcript"]["spans"]
        assert [(span["source"], text_of(span)) for span in details["trajectory"]["spans"]] == [
            (span["source"], span["text"]) for span in spans
        ]
        native = record["native"]["transcript"]["spans"]
        if details["native"] is None:
            assert [span["text"] for span in native] == [span["text"] for span in spans]
        else:
            assert [text_of(span) for span in details["native"]["spans"]] == [span["text"] for span in native]
        assert row["native"] == (record["native_score"]["reason"] == "correct")
        assert row["share"] == record["hint_share"]


def test_token_ids_follow_from_the_lengths_and_the_vocabulary(curated, records, tmp_path):
    index, blocks = unpacked_blocks(write_report(open_run(curated), tmp_path / "report.html"))
    for row, record in zip(rows(index), records, strict=True):
        block = blocks[row["block"]]
        spans, tokens = block["runs"][row["place"]]["trajectory"]["spans"], block["tokens"][row["place"]]
        for span, packed, original in zip(spans, tokens, record["episode"]["transcript"]["spans"], strict=True):
            lengths, other = packed if isinstance(packed, list) else (packed, {})
            text, ids = text_of(span), []
            for number, length in enumerate(ord(code) - 48 for code in lengths):
                token, text = text[:length], text[length:]
                ids.append(other.get(str(number), index["vocabulary"][token]))
            assert ids == original["ids"]


def test_a_compared_run_has_its_own_rows_and_blocks(made, many, tmp_path):
    first, second = made(many(60), name="one"), made(many(3), name="two")
    index, blocks = unpacked(write_report(open_run(first), tmp_path / "report.html", other=open_run(second)))
    assert [len(block) for block in blocks] == [50, 10, 3]
    assert index["other"]["facts"]["name"] == "two"
    assert [row[-2:] for row in index["other"]["rows"]] == [[2, 0], [2, 1], [2, 2]]


def test_runs_that_cannot_be_compared_are_an_error(made, many, tmp_path):
    one, _, third = many(3)
    run, other = open_run(made([one], name="one")), open_run(made([third], name="two"))
    with pytest.raises(ValueError, match="share no problem; compare runs on the same problems"):
        write_report(run, tmp_path / "report.html", other=other)
    with pytest.raises(ValueError, match="is compared with itself"):
        write_report(run, tmp_path / "report.html", other=run)
    assert not (tmp_path / "report.html").exists()


def test_remaining_hints_are_linked_to_their_interventions(curated, records, tmp_path):
    index, blocks = unpacked(write_report(open_run(curated), tmp_path / "report.html"))
    tied = 0
    for row in rows(index):
        run = blocks[row["block"]][row["place"]]["trajectory"]
        hints = [span for span in run["spans"] if span["source"] == "hint"]
        for span in hints:
            tied += 1
            assert span["text"].strip() == run["interventions"][span["intervention"]]["hint"]
        assert sum(one["stands"] for one in run["interventions"]) == len(hints)
    assert tied


def test_blocks_have_at_most_50_records(made, many, tmp_path):
    index, blocks = unpacked(write_report(open_run(made(many(120))), tmp_path / "report.html"))
    assert [len(block) for block in blocks] == [50, 50, 20]
    assert [(row["block"], row["place"]) for row in rows(index)][49:51] == [(0, 49), (1, 0)]


def test_the_last_record_of_a_problem_counts(made, many, tmp_path):
    first, second = many(2)
    again = json.loads(json.dumps(first)) | {"seed": 77}
    index, blocks = unpacked(write_report(open_run(made([first, second, again])), tmp_path / "report.html"))
    found = rows(index)
    assert [row["key"] for row in found] == ["made-0000", "made-0001"]
    assert blocks[found[0]["block"]][found[0]["place"]]["seed"] == 77


def test_the_samples_of_several_seeds_have_their_own_rows_and_numbers(tmp_path):
    write_problems(tmp_path / "problems.jsonl", [workshop(12), workshop(13)])
    config = EvalConfig(
        problems=str(tmp_path / "problems.jsonl"), limit=2, samples=2, seeds=2, minimum_isolation="limits"
    )
    evaluate(config, tmp_path / "run", reasoner=FakeReasoner(direct))
    run = open_run(tmp_path / "run")
    index, _ = unpacked(write_report(run, tmp_path / "report.html"))
    assert run.expected == len(index["rows"]) == 8
    shown = [(row["key"], row["sample"]) for row in rows(index) if row["id"] == "workshop-12"]
    assert shown == [("workshop-12/0", 0), ("workshop-12/1", 1), ("workshop-12/1.0", 2), ("workshop-12/1.1", 3)]


def test_an_incomplete_last_line_is_skipped(made, many, tmp_path):
    folder = made(many(3))
    file = folder / "episodes.jsonl"
    whole = file.read_bytes()
    for cut in (1, 5, 200):
        file.write_bytes(whole[:-cut])
        report = write_report(open_run(folder), tmp_path / "report.html")
        assert report.entries == (3 if cut == 1 else 2)
        assert not report.finished


def test_writing_a_report_does_not_change_the_run(curated, tmp_path):
    before = digests(curated)
    write_report(open_run(curated), tmp_path / "report.html")
    assert digests(curated) == before


@pytest.mark.parametrize("broken", ["not json", '{"id": "x"}', "[1]", "null", '{"id": "x", "seed": 1, "level": 2}'])
def test_error_for_an_invalid_record_has_file_and_line(made, many, tmp_path, broken):
    folder = made(many(3))
    file = folder / "episodes.jsonl"
    first, second, third = file.read_text().splitlines()
    file.write_text(f"{first}\n{broken}\n{second}\n{third}\n")
    before = digests(folder)
    words = r"episodes\.jsonl:2: not a record of this curation: .*(not JSON|format_version|one object a line)"
    with pytest.raises(ValueError, match=words):
        write_report(open_run(folder), folder / "report.html")
    assert digests(folder) == before


def test_error_for_a_record_of_another_version_names_the_field(made, many, tmp_path):
    (record,) = many(1)
    del record["native"]
    with pytest.raises(ValueError, match=r'episodes\.jsonl:1: .*"native" is missing'):
        write_report(open_run(made([record])), tmp_path / "report.html")


def test_records_without_newer_optional_fields_are_read(made, many, tmp_path):
    (record,) = [record for record in many(14) if record["episode"]["interventions"]][:1]
    for name in ("rejected_hints", "cost", "hint_share", "hint_positions"):
        record.pop(name, None)
    for one in record["episode"]["interventions"]:
        one["finding"].pop("why", None)
    index, blocks = unpacked(write_report(open_run(made([record])), tmp_path / "report.html"))
    assert blocks[0][0]["trajectory"]["interventions"][0]["finding"]["why"] == ""
    assert rows(index)[0]["rejected_hints"] == []


def test_only_an_earlier_report_is_overwritten(curated, tmp_path):
    out = tmp_path / "report.html"
    first = write_report(open_run(curated), out)
    assert write_report(open_run(curated), out).size == first.size == out.stat().st_size
    out.write_text("<!doctype html><p>My own notes")
    with pytest.raises(ValueError, match=r"report\.html: exists and is not a report of storm view; choose another"):
        write_report(open_run(curated), out)
    assert out.read_text() == "<!doctype html><p>My own notes"
    with pytest.raises(ValueError, match="is a folder"):
        write_report(open_run(curated), tmp_path)
    with pytest.raises(ValueError, match="no such folder; choose another --out"):
        write_report(open_run(curated), tmp_path / "nowhere" / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_a_report_has_its_marker_near_the_start(curated, tmp_path):
    report = write_report(open_run(curated), tmp_path / "report.html")
    assert MARK in report.path.read_text()[:400]


def test_a_folder_without_a_run_is_an_error_but_an_empty_run_is_not(curated, tmp_path):
    for place, words in ((tmp_path / "nix", "no such folder"), (curated / "config.toml", "not a folder")):
        with pytest.raises(ValueError, match=words):
            open_run(place)
    with pytest.raises(ValueError, match=r"contains none of episodes\.jsonl, samples\.jsonl, nor config\.yaml"):
        open_run(tmp_path)
    (tmp_path / "config.toml").write_text((curated / "config.toml").read_text())
    assert open_run(tmp_path).kind == "curation"
    with pytest.raises(ValueError, match=r"has no records yet; .*--serve"):
        write_report(open_run(tmp_path), tmp_path / "report.html")
    (tmp_path / "config.toml").write_text("seed = [")
    with pytest.raises(ValueError, match=r"config\.toml: not TOML"):
        open_run(tmp_path)


def test_the_program_of_a_tool_call_is_not_shown_twice(made, many, tmp_path):
    (record,) = [record for record in many(14) if record["episode"]["executions"]][:1]
    execution = record["episode"]["executions"][0]
    call = {"name": "run_python", "arguments": {"code": execution["code"]}}
    spans = record["episode"]["transcript"]["spans"]
    place = next(number for number, span in enumerate(spans) if span["source"] == "tool")
    for text, code in ((f"<tool_call>\n{json.dumps(call)}\n</tool_call>", None), ("nothing", execution["code"])):
        spans[place - 1] |= {"text": text, "ids": None, "ends": None}
        made_of = made([record], name=f"run-{code is None}")
        _, blocks = unpacked(write_report(open_run(made_of), tmp_path / "report.html"))
        tool = next(span for span in blocks[0][0]["trajectory"]["spans"] if span["source"] == "tool")
        assert tool["execution"]["code"] == code
