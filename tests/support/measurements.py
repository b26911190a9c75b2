"""What differs from run to run because a clock or a scheduler decides it, and data without it."""

import json

MEASURED = {
    *("at_seconds", "seconds", "wall_seconds", "cpu_seconds", "generation_seconds", "execution_seconds"),
    "peak_memory_mb",
}


def without_measurements(data):
    """JSON data with everything that is measured set to 0."""
    if isinstance(data, dict):
        return {key: 0 if key in MEASURED else without_measurements(value) for key, value in data.items()}
    return [without_measurements(value) for value in data] if isinstance(data, list) else data


def curation_results(out):
    """What a finished curation left, but for what was measured."""
    files = {name: (out / name).read_text().splitlines() for name in ("episodes.jsonl", "golden.jsonl")}
    lines = {name: [without_measurements(json.loads(line)) for line in text] for name, text in files.items()}
    return lines, without_measurements(json.loads((out / "summary.json").read_text()))
