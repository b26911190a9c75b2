"""Merge all shards of a finished run into one run folder, as one process would have written it.

    summary = merge_shards([Path("runs/big")], Path("runs/merged"))

The folders of the shards are enough: neither the problems nor a model is needed.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import tomli_w

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.files import Folder
from storm_calm.agents.curation.records import Record, record_from_json
from storm_calm.agents.curation.summary import Summary, summarize
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.results import Results, results_to_json, work_out
from storm_calm.agents.evaluation.run_evaluation import RESULTS
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, Sample, sample_from_json
from storm_calm.agents.evaluation.shard_test_sets import read_test_sets
from storm_calm.agents.evaluation.sums import ProblemNames
from storm_calm.agents.merge.merge_records import MergedProblem, json_line, merge_records
from storm_calm.agents.merge.mergeable_runs import CURATION
from storm_calm.agents.merge.new_run_folder import check_absent, new_file, new_run_folder
from storm_calm.agents.merge.shard_folders import ShardFolder, check_finished, check_same_run, find_shards
from storm_calm.agents.reasoners.chat_template import check_same_prompts
from storm_calm.agents.runs.record_store import RecordStore
from storm_calm.agents.runs.run_cost import read_cost, write_cost
from storm_calm.agents.runs.run_folder import WORKSPACES, keep_unchanged
from storm_calm.env.atomic_write import write_json
from storm_calm.env.format_version import with_version
from storm_calm.env.jsonl import parse_object, read_jsonl
from storm_calm.env.prompt_format import FILE_NAME, PromptFormat, read_prompt_format, write_prompt_format


def merge_shards(paths: Iterable[Path], out: Path) -> Summary | Results:
    """Merge the shards of a curation or an evaluation into the new folder `out`. Return its summary or its results.

    paths: run folders of shards, or folders that contain them.
    Raises ValueError if the folders are not all shards of one finished run, or if `out` exists. The new folder appears
    at once, when all of its files are complete.
    """
    check_absent(out)
    shards = find_shards(paths)
    check_same_run(shards)
    with ExitStack() as locks:
        for shard in shards:
            locks.enter_context(keep_unchanged(shard.path, shard.run.kind))
        check_finished(shards)
        with new_run_folder(out) as draft:
            _write_prompt_format(shards, draft)
            if shards[0].settings.get("size") and (shards[0].path / WORKSPACES).exists():
                # Every shard has the files of all problems.
                shutil.copytree(shards[0].path / WORKSPACES, draft / WORKSPACES)
            merge = _merge_curation if shards[0].run is CURATION else _merge_evaluation
            merged = merge(shards, draft, out)
            if any(cost := [read_cost(shard.path) for shard in shards]):
                write_cost(draft, sum(cost))
            settings = {**shards[0].settings, "shard": ""}
            with new_file(draft / "config.toml") as write:
                write(tomli_w.dumps(with_version(settings)).encode())
    return merged


def _merge_curation(shards: Sequence[ShardFolder], draft: Path, out: Path) -> Summary:
    with closing(Folder(draft, expected=_count(shards))) as folder:

        def merged() -> Iterator[Record]:
            for problem in merge_records(shards):
                for line in problem.in_folder(out):
                    folder.episodes.append(line.data, sync=False)
                    if line.data["outcome"] == "golden":
                        folder.golden.append(with_version(line.data["episode"]), sync=False)
                for line in problem.in_folder(problem.shard.path):
                    yield parse_object(line.place, line.data, record_from_json)

        summary = summarize(CurateConfig.from_dict(_options(shards)), merged())
        folder.finish(summary)
        _merge_replies(shards, folder.intervener_replies)
    return summary


def _merge_evaluation(shards: Sequence[ShardFolder], draft: Path, out: Path) -> Results:
    names = ProblemNames()
    with RecordStore.open(draft, EVALUATION_SAMPLES, write=True, expected=_count(shards)) as store:
        for problem in merge_records(shards):
            for line in problem.in_folder(out):
                store.append(line.data, sync=False)
            names.add(_samples(problem)[0].episode.problem)
        store.finish()
    loaded = read_test_sets(shards[0].path)
    results = work_out(
        EvalConfig.from_dict(_options(shards)),
        names,
        # The files of problems are still in the folders of the shards.
        (sample for problem in merge_records(shards) for sample in _samples(problem)),
        unread=len(loaded.unread),
        releases=loaded.releases,
    )
    write_json(draft / RESULTS, results_to_json(results))
    return results


def _samples(problem: MergedProblem) -> list[Sample]:
    lines = problem.in_folder(problem.shard.path)
    return [parse_object(line.place, line.data, sample_from_json) for line in lines]


def _count(shards: Sequence[ShardFolder]) -> int:
    """Return the number of records in all shards."""
    count = 0
    for shard in shards:
        with RecordStore.open(shard.path, shard.run.records) as store:
            count += len(store)
    return count


def _options(shards: Sequence[ShardFolder]) -> dict[str, Any]:
    """Return the options of the merged run, with which it can be resumed."""
    options = {**shards[0].settings, "shard": ""}
    options.pop("problems_digest", None)
    return options


def _write_prompt_format(shards: Sequence[ShardFolder], draft: Path) -> None:
    """Write the prompt format that all shards share. A shard without problems has none."""
    first: tuple[PromptFormat, Path] | None = None
    for shard in shards:
        prompt_format, file = read_prompt_format(shard.path), shard.path / FILE_NAME
        if prompt_format is None:
            continue
        if first is None:
            first = prompt_format, file
            write_prompt_format(draft, prompt_format)
        else:
            check_same_prompts(first[0], str(first[1]), prompt_format, str(file))


def _merge_replies(shards: Sequence[ShardFolder], file: Path) -> None:
    """Merge the cached replies of an LLM intervener, each request once."""
    found = [own for shard in shards if (own := shard.path / file.name).exists()]
    if not found:
        return
    # A table on disk, since there can be several requests for each problem.
    with new_file(file) as write, closing(sqlite3.connect("")) as seen:
        seen.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
        for own in found:
            for _, reply in read_jsonl(own, dict, growing=True, what="a reply of an endpoint"):
                if seen.execute("INSERT OR IGNORE INTO keys VALUES (?)", (str(reply.get("key")),)).rowcount:
                    write(json_line(reply))
