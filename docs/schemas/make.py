"""Make the JSON Schemas of problem and record files from the definitions that read them: python docs/schemas/make.py"""

import json
from collections.abc import Mapping
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from storm_calm.agents.curation import records
from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.evaluation import samples
from storm_calm.env import Episode
from storm_calm.env.format_version import FORMAT_VERSION
from storm_calm.env.records import ProblemLine
from storm_calm.env.serialize import adapter
from storm_calm.serving.review.ratings import Rating

HERE = Path(__file__).parent


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of file, or of a line of it, by the name of its file here."""
    return {
        "problems.jsonl": {**_schema(ProblemLine), "additionalProperties": True},
        "curation-episodes.jsonl": _line(records.Record, records.DERIVED),
        "curation-golden.jsonl": _line(Episode, {}),
        "curation-summary.json": _schema(Summary),
        "evaluation-samples.jsonl": _line(samples.Sample, samples.DERIVED),
        "review-ratings.jsonl": _schema(Rating),
    }


def text(schema: Mapping[str, Any]) -> str:
    """Return a schema as it is written."""
    # Bytes are base64, see `env.serialize`.
    written = json.dumps(schema, indent=1, ensure_ascii=False)
    return written.replace('"format": "binary"', '"contentEncoding": "base64"') + "\n"


def _line(cls: type, derived: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a line with a version, a value, and what follows from the value."""
    schema, beside = _schema(cls), _schema(make_dataclass("Derived", derived.items()))
    schema["properties"] |= {**beside["properties"], "format_version": {"const": FORMAT_VERSION}}
    schema["required"] = ["format_version", *beside.get("required", ()), *schema.get("required", ())]
    schema["$defs"] |= beside.get("$defs", {})
    return schema


def _schema(cls: type) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter(cls, described=True).json_schema()}


if __name__ == "__main__":
    for name, schema in schemas().items():
        (HERE / f"{name.partition('.')[0]}.json").write_text(text(schema), encoding="utf-8")
