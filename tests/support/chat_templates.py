"""Small chat templates with the traits of public ones."""

from storm_calm.env.prompt_format import PromptFormat

HYBRID = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
"""
"""Thinking can be switched off, as in Qwen3."""

THINKING = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n<think>\\n' }}{% endif %}
"""
"""The prompt opens a thought, as in Qwen3-4B-Thinking-2507."""

DEFAULT_SYSTEM = """\
{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
You are a helpful assistant<|im_end|>
' }}{% endif %}{{'<|im_start|>' + message['role'] + '
' + message['content'] + '<|im_end|>' + '
'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
' }}{% endif %}"""
"""It has a system message of its own, as in SmolLM2."""

HEADERS = """\
{%- for message in messages %}
    {%- set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim %}
    {%- if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}
    {{- content + '<|eot_id|>' }}
{%- endfor %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' if add_generation_prompt else '' }}
"""
"""It writes the token before a text, and trims messages, as in Llama 3."""

NO_SYSTEM = """\
{{ bos_token }}{% for message in messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception('Conversation roles must alternate') }}
    {%- endif %}
    {%- set role = 'model' if message['role'] == 'assistant' else message['role'] %}
    {{- '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}
{%- endfor %}{{ '<start_of_turn>model\\n' if add_generation_prompt }}"""
"""It has no system role, as in Gemma 2."""

EXTRAS = """\
{%- for message in messages -%}
    {%- if message.content == 'skip' %}{% continue %}{% endif -%}
    {%- if loop.index0 > 5 %}{% break %}{% endif -%}
    [{{ message | tojson }}]
    {%- if message.role == 'assistant' %}{% generation %}{{ message.content }}{% endgeneration %}{% endif -%}
{%- endfor -%}
{%- if tools is none and documents is none %} at {{ strftime_now('%Y') }}{% endif %}
"""
"""Tags, filters and functions that public templates use."""

FORMATS = {
    "hybrid": PromptFormat(template=HYBRID, eos_token="<|im_end|>"),
    "thinking": PromptFormat(template=THINKING, eos_token="<|im_end|>"),
    "default system": PromptFormat(template=DEFAULT_SYSTEM, thinking="none", eos_token="<|im_end|>"),
    "headers": PromptFormat(template=HEADERS, thinking="none", bos_token="<|begin_of_text|>", eos_token="<|eot_id|>"),
    "no system": PromptFormat(template=NO_SYSTEM, thinking="none", bos_token="<bos>", eos_token="<end_of_turn>"),
}
