"""`agents.reasoners.chat_template`: messages as one raw prompt."""

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.chat_template import check_same_prompts, render, template_thinking
from storm_calm.env.prompt_format import CHATML, NANO, PromptFormat
from support.chat_templates import DEFAULT_SYSTEM, EXTRAS, FORMATS, HEADERS, HYBRID, NO_SYSTEM, THINKING

SYSTEM = {"role": "system", "content": "Solve it."}
QUESTION = {"role": "user", "content": " How many? "}
CONVERSATIONS = {
    "question": [QUESTION],
    "system": [SYSTEM, QUESTION],
    "turns": [QUESTION, {"role": "assistant", "content": "4"}, {"role": "user", "content": "Why?"}],
}
NAMES = [
    *("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>", "<|start_header_id|>", "<|end_header_id|>"),
    *("<|eot_id|>", "<bos>", "<start_of_turn>", "<end_of_turn>", "<|begin_of_text|>", "@odd@"),
]


def test_the_prompt_of_a_question_opens_a_thought():
    assert (
        render([{"role": "user", "content": "Q"}]) == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n<think>\n"
    )


def test_without_thinking_the_prompt_ends_after_the_header():
    prompt = render([{"role": "user", "content": "Q"}], (), PromptFormat(thinking="none"))
    assert prompt == "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"


def test_thoughts_of_earlier_turns_are_omitted():
    history = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nA"},
        {"role": "user", "content": "R"},
    ]
    assert "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nR<|im_end|>\n" in render(history)


@pytest.mark.parametrize(
    "messages", [[], [{"role": "assistant", "content": "A"}], [{"role": "system", "content": "S"}]]
)
def test_the_last_message_must_be_the_users(messages):
    with pytest.raises(ValueError, match="last message must be the user's"):
        render(messages)


def test_an_unknown_role_is_rejected():
    with pytest.raises(ValueError, match="'tool' is not one of"):
        render([{"role": "tool", "content": "1"}, {"role": "user", "content": "Q"}])


def reference(fmt, messages):
    """Return the prompt of the package transformers, with the year of our fixed date."""
    transformers = pytest.importorskip("transformers")
    tokens = transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(built_in("nano-base") / "tokenizer.json"),
        chat_template=fmt.template,
        bos_token=fmt.bos_token or None,
        eos_token=fmt.eos_token or None,
    )
    thinks = fmt.thinking == "open"
    prompt = tokens.apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True, enable_thinking=thinks, thinking=thinks
    )
    return prompt.replace(f" at {datetime.now().year}", " at 2024")


@pytest.mark.parametrize("thinking", ["open", "none"])
@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
@pytest.mark.parametrize("template", [HYBRID, DEFAULT_SYSTEM, HEADERS, EXTRAS])
def test_a_template_renders_as_in_transformers(template, messages, thinking):
    fmt = PromptFormat(template=template, thinking=thinking, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    expected = reference(fmt, messages)
    assert render(messages, (), fmt) == expected + ("<think>\n" if thinking == "open" else "")


@pytest.mark.parametrize("messages", CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_a_template_that_opens_a_thought_renders_as_in_transformers(messages):
    fmt = FORMATS["thinking"]
    assert render(messages, (), fmt) == reference(fmt, messages) == render(messages)
    assert render(messages, (), PromptFormat(template=THINKING, thinking="none")) == render(
        messages, (), PromptFormat(thinking="none")
    )


def test_a_template_without_a_system_role_gets_the_system_message_in_the_first_question():
    prompt = render([SYSTEM, QUESTION], (), FORMATS["no system"])
    assert prompt == "<bos><start_of_turn>user\nSolve it.\n\n How many?<end_of_turn>\n<start_of_turn>model\n"
    silent = NO_SYSTEM.replace("{{ raise_exception('Conversation roles must alternate') }}", "")
    silent = silent.replace(
        "{% for message in messages %}", "{% for message in messages if message.role != 'system' %}"
    )
    fmt = PromptFormat(template=silent, thinking="none", bos_token="<bos>")
    assert render([SYSTEM, QUESTION], (), fmt) == prompt


@pytest.mark.parametrize(
    ("template", "thinking"),
    [
        (HYBRID, "open"),
        (THINKING, "open"),
        (DEFAULT_SYSTEM, "none"),
        (HEADERS, "none"),
        (NO_SYSTEM, "none"),
        ((built_in("nano-base") / "chat_template.jinja").read_text(), "open"),
    ],
)
def test_the_thinking_format_is_read_from_rendered_prompts(template, thinking):
    assert template_thinking(template) == thinking


@pytest.mark.parametrize(
    "template",
    [
        "{% for message in messages %}",
        "{{ raise_exception('no') }}",
        "{{ messages[9].content.foo }}",
        "{{ 1 // 0 }}",
        "{{ messages.append(1) }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{% for i in range(10 ** 9) %}x{% endfor %}",
        "{{ messages | nofilter }}",
        "{{ messages + 1 }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    ],
)
def test_a_template_that_fails_is_an_error(template):
    with pytest.raises(ValueError, match="the chat template fails"):
        render([QUESTION], (), PromptFormat(template=template))


def marks(text):
    """Return how often each name of a special token is in a text."""
    return {name: text.count(name) for name in NAMES}


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_untrusted_text_adds_no_special_token_to_any_template(data):
    fmt = data.draw(st.sampled_from([CHATML, *FORMATS.values()]))
    pieces = st.sampled_from([*NAMES, *(name[:3] for name in NAMES), *(name[3:] for name in NAMES)])
    text = "".join(data.draw(st.lists(pieces | st.text(alphabet="<|>/ a\n@", max_size=3), max_size=8)))
    for messages in (
        [SYSTEM, {"role": "user", "content": text}],
        [QUESTION, {"role": "assistant", "content": text}, QUESTION],
    ):
        empty = [message if message in (SYSTEM, QUESTION) else {**message, "content": "x"} for message in messages]
        assert marks(render(messages, NAMES, fmt)) == marks(render(empty, NAMES, fmt))


def test_a_system_message_shows_thoughts_and_calls_and_forges_no_turn():
    shown = "Think in <think> and </think>. Call <tool_call>{}</tool_call>."
    prompt = render([{**SYSTEM, "content": f"{shown} <|im_end|><end_of_turn>"}, QUESTION], ["<|im_end|>"])
    assert f"{shown} < |im_end|>< end_of_turn>" in prompt


def test_the_date_in_a_prompt_is_the_same_every_day():
    template = "{{ strftime_now('%d %b %Y') }}{% for message in messages %}{{ message.content }}{% endfor %}"
    assert render([QUESTION], (), PromptFormat(template=template, thinking="none")) == "26 Jul 2024 How many? "


def test_the_tokens_of_a_format_are_broken_up_in_untrusted_text():
    fmt = PromptFormat(template=HEADERS, thinking="none", bos_token="@start@", eos_token="@end@")
    prompt = render([{"role": "user", "content": "a@end@b@start@"}], (), fmt)
    assert prompt.startswith("@start@<|start_header_id|>user<|end_header_id|>\n\na@ end@b@ start@<|eot_id|>")


def test_formats_with_the_same_prompts_are_the_same():
    check_same_prompts(CHATML, "a", FORMATS["thinking"], "b")
    check_same_prompts(CHATML, "a", PromptFormat(instructions=CHATML.system_prompt, eos_token="</s>"), "b")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (NANO, r"RUN and MODEL have different prompt formats: system prompt 'Solve the .* and none\."),
        (PromptFormat(thinking="none"), "different prompt formats: thinking 'open' and 'none'"),
        (PromptFormat(protocol="tool_call"), "different prompt formats: protocol 'inline' and 'tool_call'"),
        (
            PromptFormat(template=DEFAULT_SYSTEM),
            r"RUN and MODEL have different chat templates: a prompt is '<\|im_start\|>user.* and '<\|im_start\|>system",
        ),
    ],
)
def test_error_for_different_formats_names_the_difference(other, message):
    with pytest.raises(ValueError, match=message):
        check_same_prompts(CHATML, "RUN", other, "MODEL")
