"""Compare results without their measured values, which vary from run to run."""

import json

MEASURED = {
    *("at_seconds", "seconds", "wall_seconds", "cpu_seconds", "generation_seconds", "execution_seconds"),
    "peak_memory_mb",
    # A problem that was interrupted counts its tokens from its checkpoint.
    "reasoner_usage",
}


def without_measurements(data):
    """Return JSON data with every measured value set to 0."""
    if isinstance(data, dict):
        return {key: 0 if key in MEASURED else without_measurements(value) for key, value in data.items()}
    return [without_measurements(value) for value in data] if isinstance(data, list) else data


def curation_results(out):
    """Return the files of a finished curation without measured values."""
    files = {name: (out / name).read_text().splitlines() for name in ("episodes.jsonl", "golden.jsonl")}
    lines = {name: [without_measurements(json.loads(line)) for line in text] for name, text in files.items()}
    return lines, without_measurements(json.loads((out / "summary.json").read_text()))
