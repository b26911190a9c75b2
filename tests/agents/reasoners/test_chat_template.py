"""`agents.reasoners.chat_template`: messages as one raw prompt."""

import pytest

from storm_calm.agents.reasoners.chat_template import render


def test_a_question_alone_opens_a_thought():
    assert (
        render([{"role": "user", "content": "Q"}]) == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


def test_earlier_thoughts_are_left_out():
    history = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA"},
        {"role": "user", "content": "R"},
    ]
    assert "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nR<|im_end|>\n" in render(history)


@pytest.mark.parametrize(
    "messages", [[], [{"role": "assistant", "content": "A"}], [{"role": "system", "content": "S"}]]
)
def test_the_last_word_must_be_the_users(messages):
    with pytest.raises(ValueError, match="last message must be the user's"):
        render(messages)


def test_an_unknown_role_is_refused():
    with pytest.raises(ValueError, match="'tool' is not one of"):
        render([{"role": "tool", "content": "1"}, {"role": "user", "content": "Q"}])
