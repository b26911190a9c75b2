"""`storm curate`, `solve`, `eval` and `export` with a model that serves only chat completions, over real HTTP."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from storm_calm.agents.reasoners.chat import Chat
from storm_calm.agents.reasoners.chat_messages import ACKNOWLEDGEMENT, HINT_PREFIX
from storm_calm.env import ReasonerError, read_episodes, write_problems
from support.fake_chat_server import DEMANDS, PARAMETERS, RAW, FakeChatServer
from support.fake_reasoner import boxed, by_hand, direct, mixed, workshop
from support.measurements import without_measurements

pytestmark = pytest.mark.slow

LENIENT = ("--minimum-isolation", "limits")


def doubting(hours, hints, outputs):
    """A role that doubts the solver in its first words after the output, until it gets a hint."""
    if outputs and not hints:
        return "I doubt that, I would expect about 7.\n" + boxed(7)
    return direct(hours, hints, outputs)


def at_once(hours, hints, outputs):
    """A role that works by hand from its first word, until it gets a hint."""
    return direct(hours, hints, outputs) if hints else "Working it out by hand gives 7.\n" + boxed(7)


def varied(hours, hints, outputs):
    """A role that needs hints in the middle of a thought, at its beginning, or right after an output."""
    return (direct, by_hand, doubting, at_once)[hours % 4](hours, hints, outputs)


@pytest.fixture
def endpoint():
    with FakeChatServer(varied) as opened:
        yield opened


@pytest.fixture
def curate(storm, problems, endpoint):
    """Return a function that curates the eight problems into `out`."""
    return lambda *more: storm(
        *("curate", "--problems", problems, "--reasoner", f"chat:{endpoint.url}", "--out", "out", "--seed", 7),
        *(*LENIENT, *more),
    )


def test_curation_sends_hints_as_user_turns_and_gives_golden_trajectories(curate, endpoint, tmp_path):
    result = curate("--json")
    assert result.exit_code == 0, result.stderr
    summary = json.loads(result.stdout)
    assert (summary["problems"], summary["native_correct"], summary["final_correct"], summary["golden"]) == (8, 2, 8, 8)
    assert summary["interventions"] == 6

    assert endpoint.busy > 0
    assert set(endpoint.refused) == {*PARAMETERS.values(), *DEMANDS}
    golden = read_episodes(tmp_path / "out" / "golden.jsonl")
    hints = {one.hint for run in golden for one in run.interventions}
    turns = endpoint.turns("user")
    assert all(any(f"{HINT_PREFIX}{hint}" in turn for turn in turns) for hint in hints)
    assert not any(hint in (content or "") for hint in hints for content in endpoint.turns("assistant"))
    assert ACKNOWLEDGEMENT in endpoint.turns("assistant")
    assert not any("<hint>" in json.dumps(messages) for messages in endpoint.answered)
    for run in golden:
        (span,) = [span for span in run.transcript.spans if span.source == "hint"] or [None]
        assert (span is None) == (run.interventions == ())
        assert span is None or span.text.strip() == f"<hint>{run.interventions[0].hint}</hint>"


def test_golden_chat_trajectories_are_exported_with_hints_as_assistant_text(curate, storm):
    assert curate("--display", "none").exit_code == 0
    result = storm("export", "out", "--format", "messages")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = [json.loads(line) for line in Path("out/messages.jsonl").read_text().splitlines()]
    runs = read_episodes("out/golden.jsonl")
    assert [row["id"] for row in rows] == [run.problem.id for run in runs]
    for row, run in zip(rows, runs, strict=True):
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["system", "user", "assistant", "tool", "assistant"]
        assert row["messages"][1]["content"] == run.problem.question
        assert [tool["function"]["name"] for tool in row["tools"]] == ["run_python"]
        own = [message["content"] for message in row["messages"] if message["role"] == "assistant"]
        assert all(sum(one.hint in text for text in own) == 1 for one in run.interventions)
        assert own[-1].endswith(f"\\boxed{{{run.problem.answers[0]:g}}}.")
    for format in ("verl-sft", "trl"):
        refused = storm("export", "out", "--format", format)
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "golden trajectories have no token ids" in refused.stderr
        assert "use --format messages" in refused.stderr
        assert "--tokenizer" not in refused.stderr


def test_solve_prints_reasoning_code_output_and_answer(storm):
    with FakeChatServer(direct) as endpoint:
        settings = ("--reasoner", f"chat:{endpoint.url}", *LENIENT)
        result = storm("solve", workshop(12).question, *settings)
        facts = json.loads(storm("solve", workshop(12).question, *settings, "--json").stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    shown = ["The amount of each", "Let me solve it with code.", "s.Maximize(3 * x)", "```output\n36.0\n```"]
    order = [*shown, "GLOP: optimal, objective 36", "\nAnswer: 36\n"]
    places = [result.stdout.index(words) for words in order]
    assert places == sorted(places)
    assert (facts["answer"]["value"], facts["stop"]) == (36.0, "answer")


def test_eval_measures_a_chat_model_without_hints(storm, problems):
    with FakeChatServer(mixed) as endpoint:
        settings = ("--problems", problems, "--reasoner", f"chat:{endpoint.url}", "--out", "eval", *LENIENT)
        result = storm("eval", *settings, "--samples", 2, "--json")
        assert result.exit_code == 0, result.stderr
        results = json.loads(result.stdout)
        assert (results["scored"], results["rules"]["paper"]["pass@1"]["mean"]) == (16, 0.25)
        assert not any(HINT_PREFIX in turn for turn in endpoint.turns("user"))


@pytest.mark.timeout(300)
def clumsy(hours, hints, outputs):
    """A role whose calls cannot be read: always for even hours, else only the first."""
    if hours % 2 == 0 or not outputs:
        return f'Let me solve it.\n```python\n{RAW}{{"code": print("1", '
    return direct(hours, hints, outputs - 1)


def test_malformed_calls_are_scored(storm, problems):
    with FakeChatServer(clumsy) as endpoint:
        result = storm(
            *("eval", "--problems", problems, "--reasoner", f"chat:{endpoint.url}", "--json", "--display", "none"),
            *("--out", "out", *LENIENT),
        )
    assert (result.exit_code, result.stderr) == (0, "")
    results = json.loads(result.stdout)
    assert (results["scored"], results["errors"]) == (8, 0)
    assert results["rules"]["paper"]["pass@1"]["mean"] == 0.5
    assert results["behaviour"]["execution_status"] == {"malformed_call": 4 * 2 + 4, "ok": 4}
    assert results["behaviour"]["executions"] == 0.5, "only programs that ran"
    assert results["behaviour"]["stops"] == {"repetition": 0.5, "answer": 0.5}
    errors = [answer for answer in endpoint.turns("tool") if answer.startswith("CallError: ")]
    assert errors
    assert all("Write the call like this: " in error for error in errors)


def test_the_last_error_of_the_reasoner_is_printed(storm, problems, monkeypatch):
    read = Chat._read

    def failing(self, prompt, *rest):
        if any(f"has {hours} hours" in prompt for hours in (11, 14)):
            raise ReasonerError("http://there refused: I can't do that.")
        return read(self, prompt, *rest)

    monkeypatch.setattr(Chat, "_read", failing)
    with FakeChatServer(direct) as endpoint:
        for command, what in (("eval", "trajectories"), ("curate", "problems")):
            result = storm(
                *(command, "--problems", problems, "--reasoner", f"chat:{endpoint.url}", "--display", "none"),
                *("--out", command, *LENIENT),
            )
            assert result.exit_code == 1
            shown = " ".join(result.stderr.split())
            assert f"2 {what} are not done because the reasoner" in shown
            assert "failed: http://there refused: I can't do that.. Retry them with: storm" in shown
    monkeypatch.setattr(Chat, "_read", lambda *arguments: (_ for _ in ()).throw(ReasonerError("http://there is down")))
    with FakeChatServer(direct) as endpoint:
        result = storm(
            *("eval", "--problems", problems, "--reasoner", f"chat:{endpoint.url}", "--out", "down", *LENIENT),
        )
    shown = " ".join(result.stderr.split())
    assert "5 problems failed one after another, the last one because: http://there is down" in shown


def test_a_curation_killed_after_a_hint_resumes_from_the_hint(storm, tmp_path):
    def hinted(messages):
        return any(HINT_PREFIX in message["content"] for message in messages if message["role"] == "user")

    write_problems(tmp_path / "problems.jsonl", [workshop(hours) for hours in (13, 14, 12)])
    settings = ["--problems", "problems.jsonl", "--workers", "1", *LENIENT, "--display", "none"]
    with FakeChatServer(varied, hold=hinted) as endpoint:
        chosen = [*settings, "--reasoner", f"chat:{endpoint.url}", "--out", "out"]
        program = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r}); "
        process = subprocess.Popen(
            [sys.executable, "-c", f"{program}from storm_calm.cli.start import main; main()", "curate", *chosen],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
        )
        reached = endpoint.held.wait(120)
        process.send_signal(signal.SIGKILL)
        assert reached, process.stderr.read()
        process.communicate()
        assert not (tmp_path / "out" / "summary.json").exists()

        endpoint.hold = lambda messages: False
        endpoint.answered.clear()
        resumed = storm("curate", "--out", "out", "--resume", "--json", "--display", "none")
        assert resumed.exit_code == 0, resumed.stderr
        first = [hinted(asked) for asked in endpoint.answered if "has 13 hours" in asked[1]["content"]]
        assert first == [True, True], "the watched run from its hint on; the run without hints is stored"
        whole = storm("curate", *chosen[:-1], "whole", "--json")
    lines = {
        out: [json.loads(line) for line in (tmp_path / out / "episodes.jsonl").read_text().splitlines()]
        for out in ("out", "whole")
    }
    assert without_measurements(lines["out"]) == without_measurements(lines["whole"])
    assert without_measurements(json.loads(resumed.stdout)) == without_measurements(json.loads(whole.stdout))
    assert json.loads(resumed.stdout)["golden"] == 3
