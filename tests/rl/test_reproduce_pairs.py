"""Plain pairs: problems of golden trajectories, solved directly by their correct programs."""

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.env import score
from storm_calm.env.problems.families import FAMILIES, generate
from storm_calm.rl.datasets import sft_row
from storm_calm.rl.prompt_renderer import CheckpointRenderer
from storm_calm.rl.reproduce.plain_pairs import plain_pairs
from storm_calm.sandbox import Limits, open_sandbox

pytestmark = pytest.mark.slow

SEED, COUNT = 5, 36


@pytest.fixture(scope="module")
def renderer():
    return CheckpointRenderer(built_in("nano-base"))


@pytest.fixture(scope="module")
def problems():
    return list(generate(["all"], split="train", seed=SEED, limit=COUNT))


@pytest.fixture(scope="module")
def pairs(renderer, problems):
    wanted = {problem.id for problem in problems[1:]}
    with open_sandbox() as sandbox:
        return list(plain_pairs(wanted, seed=SEED, problems=COUNT, renderer=renderer, sandbox=sandbox))


def test_pairs_are_the_requested_problems_in_order(pairs, problems):
    assert [pair.problem for pair in pairs] == problems[1:]
    assert {pair.problem.family for pair in pairs} == set(FAMILIES)


def test_each_pair_is_one_program_and_the_correct_answer(pairs):
    for pair in pairs:
        assert score(pair).reward == 1.0
        assert [span.source for span in pair.transcript.spans] == ["prompt", "model", "tool", "model"]
        assert pair.executions[0].status == "ok"
        prompt, program, output, answer = (span.text for span in pair.transcript.spans)
        assert prompt.endswith("<think>\n")
        assert program.startswith("```python\n")
        assert program.endswith("```\n")
        assert pair.executions[0].stdout.strip() in output
        assert answer == f"</think>\nThe answer is \\boxed{{{pair.executions[0].stdout.strip()}}}."


def test_only_model_text_has_a_loss(pairs, renderer):
    for pair in pairs:
        row = sft_row(pair)
        learned = [id for id, bit in zip(row["input_ids"], row["loss_mask"], strict=True) if bit]
        texts = [span.text for span in pair.transcript.spans if span.source == "model"]
        assert learned == [*renderer.encode_marked(texts[0])[0], *renderer.encode_marked(f"{texts[1]}<|im_end|>")[0]]
        assert len(row["input_ids"]) == len(row["loss_mask"]) == pair.transcript.count()


def test_error_for_a_wrong_program_names_it(renderer, problems):
    class Broken:
        limits = Limits()

        def run(self, code, *, limits=None, **others):
            return sandbox.run("print(-1)", limits=limits)

    with (
        open_sandbox() as sandbox,
        pytest.raises(ValueError, match=f"problem {problems[0].id}: its correct program printed"),
    ):
        list(plain_pairs({problems[0].id}, seed=SEED, problems=1, renderer=renderer, sandbox=Broken()))
