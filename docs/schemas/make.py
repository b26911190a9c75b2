"""Make the JSON Schemas of data files, and docs/file_formats.md, from the definitions that read and write the files.

    python docs/schemas/make.py

The prose of the page is in file_formats.md.in. A line `{{NAME}}` there becomes the fields of the schema NAME, a line
`{{objects}}` those of the objects that the schemas share.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storm_calm.agents.curation import records
from storm_calm.agents.curation.summary import Summary
from storm_calm.agents.evaluation import results, samples
from storm_calm.agents.judge.judged_results import JudgedResults
from storm_calm.agents.judge.judged_sample import JudgedSample
from storm_calm.agents.runs.rollout_record import RolloutRecord
from storm_calm.agents.runs.shard import ShardProblem
from storm_calm.env import Episode
from storm_calm.env.format_version import FORMAT_VERSION
from storm_calm.env.problem_line import ProblemLine
from storm_calm.env.prompt_format import PromptFormat
from storm_calm.env.row_fields import ANSWERS, QUESTIONS
from storm_calm.env.serialize import adapter
from storm_calm.serving.review.ratings import Rating
from storm_calm.serving.review.review_sample import ReviewSample

HERE = Path(__file__).parent
PAGE = HERE.parent / "file_formats.md"


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of file, or of a line of it, by the name of its file here."""
    return {
        "prompt_format.json": _line(PromptFormat),
        "problems.jsonl": {**_schema(ProblemLine), "additionalProperties": True},
        "curation-episodes.jsonl": _line(records.Record, records.Derived),
        "curation-golden.jsonl": _line(Episode),
        "curation-summary.json": _schema(Summary),
        "evaluation-samples.jsonl": _line(samples.Sample, samples.Derived),
        "evaluation-results.json": _results(),
        "evaluation-judgments.jsonl": _line(JudgedSample),
        "evaluation-judged.json": _schema(JudgedResults),
        "shard.jsonl": _line(ShardProblem),
        "training-rollouts.jsonl": _line(RolloutRecord),
        "review-sample.json": _schema(ReviewSample),
        "review-ratings.jsonl": _schema(Rating),
    }


def text(schema: Mapping[str, Any]) -> str:
    """Return a schema as it is written."""
    # Bytes are base64, see `env.serialize`.
    written = json.dumps(schema, indent=1, ensure_ascii=False)
    return written.replace('"format": "binary"', '"contentEncoding": "base64"') + "\n"


def page() -> str:
    """Return the text of docs/file_formats.md."""
    known = schemas()
    parts = {name: f"Schema: [{_file(name)}](schemas/{_file(name)}).\n\n{_table(known[name])}" for name in known}
    parts["objects"] = "\n".join(_objects(known))
    prose = (HERE / "file_formats.md.in").read_text(encoding="utf-8")
    for name, names in (("questions", QUESTIONS), ("answers", ANSWERS)):
        prose = prose.replace(f"{{{{{name}}}}}", ", ".join(f"`{one}`" for one in names))
    return re.sub(r"^\{\{(.*)\}\}\n", lambda found: parts[found[1]], prose, flags=re.MULTILINE)


def _schema(cls: type) -> dict[str, Any]:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **adapter(cls, described=True).json_schema()}


def _line(cls: type, derived: type | None = None) -> dict[str, Any]:
    """Return the schema of a line with the version, the fields of `cls` and those that are derived from them."""
    schema = _schema(cls)
    version = {"const": FORMAT_VERSION, "description": "Version of the format of record files."}
    own, required = schema["properties"], ["format_version", *schema.get("required", ())]
    schema["properties"] = {"format_version": version}
    if derived is not None:
        more = _schema(derived)
        schema["properties"] |= more["properties"]
        schema["$defs"] |= more.get("$defs", {})
        required[1:1] = more["required"]
    schema["properties"] |= own
    schema["required"] = required
    return schema


def _results() -> dict[str, Any]:
    """Return the schema of a results.json, see `results_to_json`."""
    schema, reshaped = _schema(results.Results), _schema(results.Reshaped)
    properties = schema["properties"]
    last = {name: properties.pop(name) for name in ("budget", "behaviour")}
    for name in ("groups", "releases", "by_release", "by_report", "plans"):
        del properties[name]
        schema["required"].remove(name)
    schema["properties"] = {**properties, **reshaped["properties"], **last}
    schema["$defs"] |= reshaped["$defs"]
    for name in ("Group", "Reliance", "ReleaseScore"):
        del schema["$defs"][name]
    return schema


def _file(name: str) -> str:
    return f"{name.partition('.')[0]}.json"


def _objects(known: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a section for each object that is part of files."""
    found: dict[str, Any] = {}
    for schema in known.values():
        # An episode is a line of golden.jsonl too, with a version.
        for name, part in schema.get("$defs", {}).items():
            assert found.setdefault(name, part) == part, f"{name} differs between schemas"
    for name in sorted(found):
        yield f"### {name}\n\n{found[name].get('description', '').strip()}\n\n{_table(found[name])}"


def _table(schema: Mapping[str, Any]) -> str:
    lines = ["| Field | Type | Description |", "|---|---|---|"]
    for name, part in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else ", optional"
        description = " ".join(part.get("description", "").split()).replace("|", "\\|")
        description = re.sub(r"\bNone\b", "null", description)
        lines.append(f"| `{name}` | {_type(part)}{optional} | {description} |")
    return "\n".join(lines) + "\n"


def _type(part: Mapping[str, Any]) -> str:
    """Return the type of a value in words."""
    if "$ref" in part:
        name = part["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in part:
        return f"`{json.dumps(part['const'])}`"
    if "enum" in part:
        return ", ".join(f"`{json.dumps(value)}`" for value in part["enum"])
    if "anyOf" in part:
        return " or ".join(_type(one) for one in part["anyOf"])
    match part["type"]:
        case "array":
            return f"list of {_type(part['items'])}"
        case "object" if not isinstance(part["additionalProperties"], Mapping):
            return "object"
        case "object":
            return f"object of {_type(part['additionalProperties'])}"
        case "string" if part.get("format") == "binary":
            return "base64 text"
        case name:
            return {"string": "text", "boolean": "true or false"}.get(name, name)


if __name__ == "__main__":
    for name, schema in schemas().items():
        (HERE / _file(name)).write_text(text(schema), encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")
