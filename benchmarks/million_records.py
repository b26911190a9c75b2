"""Measure the commands that read a run on a run of a million records: time, peak memory, first page.

    python -m benchmarks.million_records --out runs/million
    python -m benchmarks.million_records --out runs/million --records 20000

Makes a curation and two evaluations on the same problems. Their records are those of `--templates` problems that nano
really solved, the shortest third of them, under other ids: texts, outcomes, hints and flaws are real and repeat. They
are written without a sync of each, and the texts are compressed once; the files and the index are those of a store.
Records of models with long thoughts are larger, and commands that read all records take longer by that factor. A
million need about 10 GB of disk.

Then each command runs in its own process, once on a tenth of the records and once on all. The output is a table:
seconds and peak memory (of the process and its children) of each, and bytes written. For `storm view --serve` the
seconds are from the start of the process to the first page with its list, and of later requests. The CPU seconds of
the first page include the figures that were counted by then; on a machine with other work they say more.
`--only NAME,...` measures some commands. Made runs are kept and used again; delete them yourself.
"""

import argparse
import copy
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from benchmarks.common import cpu_seconds, format_facts, machine
from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.curation.records import CURATION_RECORDS, GOLDEN_EPISODES
from storm_calm.agents.curation.run_curation import curate
from storm_calm.agents.evaluation.config import EvalConfig
from storm_calm.agents.evaluation.run_evaluation import evaluate
from storm_calm.agents.evaluation.samples import EVALUATION_SAMPLES, sample_key
from storm_calm.agents.runs.record_files import PART_RECORDS, Place
from storm_calm.agents.runs.record_index import FILE, RecordIndex
from storm_calm.agents.runs.record_kind import RecordKind, part_path
from storm_calm.env import Episode
from storm_calm.env.records import episode_to_json
from storm_calm.env.serialize import from_json

GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
LAST_BLOCK = b"\x03\0"
HELDOUT_QUESTIONS = 500
"""Questions that exports are compared with."""
STORM = [sys.executable, "-c", "from storm_calm.cli.main import app; app()"]
MEASURED = """import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
facts = {"seconds": time.perf_counter() - start, "cpu": usage.ru_utime + usage.ru_stime, "mib": usage.ru_maxrss / 1024}
print(json.dumps({**facts, "code": done.returncode, "output": done.stdout[-2000:]}))
"""
"""Runs a command and prints its seconds, CPU seconds and peak memory."""


class Template:
    """A real record, from which others are made."""

    def __init__(self, kind: RecordKind, data: Mapping[str, Any], id: str) -> None:
        """id: of its problem."""
        self.kind, self.family = kind, id.rpartition("-")[0]
        _, values = kind.row(copy.deepcopy(dict(data)))
        self.values = dict(values)
        place = "@id@"
        self.pieces = json.dumps(_renamed(data, id, place), ensure_ascii=False).encode().split(place.encode())
        self.pieces[-1] += b"\n"
        self.sample = (data.get("repetition", 0), data.get("sample", 0))

        self.compressed = [_deflated(piece) for piece in self.pieces]

    def made(self, id: str) -> tuple[str, bytes, Mapping[str, Any]]:
        """Return the key, the stored line and the columns of the record of another problem."""
        key = sample_key(id, *self.sample) if self.kind is EVALUATION_SAMPLES else id
        values = {**self.values, "id": id}
        if "problem" in values:
            # Problems are the same in both evaluations if their ids are.
            values["problem"] = f"{zlib.crc32(id.encode()):08x}{zlib.adler32(id.encode()):08x}"
        line = id.encode().join(self.pieces)
        size = len(id)
        # The id is a block without compression between the compressed pieces.
        block = struct.pack("<BHH", 0, size, size ^ 0xFFFF) + id.encode()
        end = struct.pack("<II", zlib.crc32(line), len(line) & 0xFFFFFFFF)
        return key, GZIP_HEADER + block.join(self.compressed) + LAST_BLOCK + end, values


def _deflated(piece: bytes) -> bytes:
    compress = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compress.compress(piece) + compress.flush(zlib.Z_FULL_FLUSH)


def _renamed(data: Any, id: str, place: str) -> Any:
    return json.loads(json.dumps(data, ensure_ascii=False).replace(json.dumps(id)[1:-1], place))


def write_parts(folder: Path, kind: RecordKind, records: Iterator[tuple[str, bytes, Mapping[str, Any]]]) -> None:
    """Write records as a store does, without a sync of each."""
    parts = kind.parts_folder(folder)
    parts.mkdir(parents=True)
    index = RecordIndex.to_write(parts / FILE, kind, dict)
    file = None
    for number, (key, stored, values) in enumerate(records):
        part = number // PART_RECORDS
        if number % PART_RECORDS == 0:
            if file is not None:
                file.close()
                index.commit()
            file = part_path(parts, part).open("wb")
        assert file is not None
        index.put(key, Place(part, file.tell(), len(stored)), values)
        file.write(stored)
    if file is not None:
        file.close()
    index.commit()
    index.close()


def make(out: Path, records: int, templates: int) -> dict[str, Path]:
    """Make the runs that are missing, and return their folders."""
    base = out.parent / f"{out.name}-templates"
    if not (base / "curated" / "summary.json").exists():
        curate(CurateConfig(families=("all",), limit=templates, seed=5, reasoner="nano-base"), base / "curated")
    for name, reasoner in (("first", "nano-base"), ("second", "nano")):
        if not (base / name / "results.json").exists():
            evaluate(EvalConfig(families=("all",), limit=templates, seed=5, reasoner=reasoner), base / name)
    folders = {name: out / str(records) / name for name in ("curated", "first", "second")}
    for name, folder in folders.items():
        if (folder / "config.toml").exists():
            continue
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        started = perf_counter()
        stem = "episodes" if name == "curated" else "samples"
        lines = [json.loads(line) for line in (base / name / f"{stem}.jsonl").read_text("utf-8").splitlines()]
        kind = CURATION_RECORDS if name == "curated" else EVALUATION_SAMPLES
        lines = sorted(lines, key=lambda data: len(json.dumps(data)))[: (len(lines) + 2) // 3]
        made = [Template(kind, data, data["id"]) for data in lines]
        write_parts(folder, kind, _records(made, records))
        if name == "curated":
            golden = [one["episode"] for one in lines if one["outcome"] == "golden"]
            episodes = [episode_to_json(from_json(Episode, one)) for one in golden]
            kept = [Template(GOLDEN_EPISODES, one, one["problem"]["id"]) for one in episodes]
            write_parts(folder, GOLDEN_EPISODES, _records(kept, records * len(golden) // len(lines)))
        shutil.copy(base / name / "prompt_format.json", folder)
        # The other figures are those of the templates.
        figures = "summary.json" if name == "curated" else "results.json"
        found = json.loads((base / name / figures).read_text())
        (folder / figures).write_text(json.dumps({**found, "problems": records}))
        # Last: a folder with it is complete.
        text = (base / name / "config.toml").read_text()
        (folder / "config.toml").write_text(re.sub(r"(?m)^limit = .*$", f"limit = {records}", text))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"made {folder}: {size / 1e9:.2f} GB in {perf_counter() - started:.0f} s", flush=True)
    return folders


def _records(templates: list[Template], count: int) -> Iterator[tuple[str, bytes, Mapping[str, Any]]]:
    for number in range(count):
        template = templates[number % len(templates)]
        yield template.made(f"{template.family}-{number:08x}")


def measured(*words: str) -> dict[str, Any]:
    """Run `storm` with these words, and return its seconds, peak memory and output."""
    done = subprocess.run([sys.executable, "-c", MEASURED, *STORM, *words], capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    if facts["code"] not in (0, 1):
        raise SystemExit(f"storm {' '.join(words)}: exit code {facts['code']}\n{facts['output']}")
    return facts


def served(run: Path) -> dict[str, Any]:
    """Start `storm view --serve`, request a first page and others, and return the seconds of each and the memory."""
    started = perf_counter()
    process = subprocess.Popen([*STORM, "view", str(run), "--serve", "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        address = re.search(r"http://[^\s,]+", process.stderr.readline())
        assert address, "no address"
        url = address[0].rstrip("/")
        facts: dict[str, Any] = {}

        def get(path: str) -> Any:
            with urllib.request.urlopen(f"{url}/{path}", timeout=600) as response:
                return response.read()

        def timed(name: str, path: str) -> Any:
            begin = perf_counter()
            found = get(path)
            facts[name] = perf_counter() - begin
            return found

        get("")
        get("rows?have=0&stamp=")
        first = json.loads(get("window?first=0&count=100"))
        facts["first page"] = perf_counter() - started
        facts["first page, seconds of CPU"] = cpu_seconds(process.pid)
        begin = perf_counter()
        while json.loads(get("rows?have=0&stamp="))["figures"] is None:
            time.sleep(0.05)  # As the page, which asks again.
        facts["figures after it"] = perf_counter() - begin
        timed("filtered page", "window?family=knapsack&result=wrong&first=0&count=100")
        timed("words searched", "window?q=profit+hours&first=0&count=100")
        timed("sorted by tokens", "window?sort=tokens&first=0&count=100")
        timed("last page", f"window?first={first['total'] - 100}&count=100")
        key = first["rows"][50][0]
        timed("rows beside one", f"around?{urllib.parse.urlencode({'key': key, 'count': 100})}")
        timed("one trajectory", f"trajectory?{urllib.parse.urlencode({'key': key})}")
        status = Path(f"/proc/{process.pid}/status").read_text()
        facts["mib"] = int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]
        return facts
    finally:
        process.terminate()
        process.wait()


def commands(folders: Mapping[str, Path], questions: Path) -> dict[str, Callable[[Path], tuple[str, ...]]]:
    """Return the words of each command by its name; each takes a folder for its output."""
    run, first, second = (str(folders[name]) for name in ("curated", "first", "second"))
    against = ("--against", str(questions))
    return {
        "view": lambda out: ("view", run, "--out", str(out / "report.html")),
        "view an evaluation": lambda out: ("view", first, "--out", str(out / "evaluated.html")),
        "compare": lambda out: ("compare", first, second),
        "doctor": lambda out: ("doctor", run),
        "export verl-sft": lambda out: (
            "export",
            run,
            "--format",
            "verl-sft",
            *against,
            "--out",
            str(out / "sft.parquet"),
        ),
        "export trl": lambda out: ("export", run, "--format", "trl", "--out", str(out / "trl.jsonl")),
        "export messages": lambda out: ("export", run, "--format", "messages", "--out", str(out / "messages.jsonl")),
        "export verl-rl": lambda out: (
            "export",
            run,
            "--format",
            "verl-rl",
            *against,
            "--out",
            str(out / "rl.parquet"),
        ),
        "export parquet": lambda out: ("export", run, "--format", "parquet", "--out", str(out / "records.parquet")),
        "export parquet, evaluation": lambda out: (
            "export",
            first,
            "--format",
            "parquet",
            "--out",
            str(out / "e.parquet"),
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--records", type=int, default=1_000_000, help="records of each run (default: 1000000)")
    parser.add_argument("--templates", type=int, default=96, help="problems that nano really solves (default: 96)")
    parser.add_argument("--only", default="", help="names of commands, separated by commas; serve is one of them")
    parser.add_argument("--make-only", action="store_true", help="only make the runs")
    settings = parser.parse_args()
    sizes = [settings.records // 10, settings.records]
    folders = {size: make(settings.out, size, settings.templates) for size in sizes}
    if settings.make_only:
        return
    print(format_facts(machine()))
    questions = settings.out / "questions.jsonl"
    base = settings.out.parent / f"{settings.out.name}-templates" / "second" / "samples.jsonl"
    texts = [json.loads(line)["episode"]["problem"]["question"] for line in base.read_text("utf-8").splitlines()]
    questions.write_text(
        "".join(
            json.dumps({"question": f"{texts[number % len(texts)]} Assume {number + 3} more units."}) + "\n"
            for number in range(HELDOUT_QUESTIONS)
        )
    )
    only = [name for name in settings.only.split(",") if name]
    rows: dict[str, dict[int, tuple[str, str, str]]] = {}
    for size in sizes:
        scratch = settings.out / f"output-{os.getpid()}"
        for name, words in commands(folders[size], questions).items():
            if only and name not in only:
                continue
            scratch.mkdir(exist_ok=True)
            found = measured(*words(scratch))
            written = sum(file.stat().st_size for file in scratch.rglob("*") if file.is_file())
            rows.setdefault(name, {})[size] = (
                f"{found['seconds']:.1f}",
                f"{found['mib']:,.0f}",
                f"{written / 1e6:,.1f}",
            )
            print(f"{size:>10,} {name}: {rows[name][size]}", flush=True)
            shutil.rmtree(scratch)
        if not only or "serve" in only:
            for kind in ("curated", "first"):
                facts = served(folders[size][kind])
                mib = facts.pop("mib")
                for name, seconds in facts.items():
                    label = f"view --serve{'' if kind == 'curated' else ', evaluation'}: {name}"
                    rows.setdefault(label, {})[size] = (f"{seconds:.2f}", f"{mib:,.0f}", "")
                    print(f"{size:>10,} {label}: {rows[label][size]}", flush=True)
    print_table(rows, sizes)


def print_table(rows: Mapping[str, Mapping[int, tuple[str, str, str]]], sizes: list[int]) -> None:
    table = Table(box=MARKDOWN)
    table.add_column("command")
    for size in sizes:
        table.add_column(f"{size:,}: seconds", justify="right")
        table.add_column("peak MiB", justify="right")
        table.add_column("MB written", justify="right")
    for name, found in rows.items():
        table.add_row(name, *(text for size in sizes for text in found.get(size, ("-", "-", "-"))))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
