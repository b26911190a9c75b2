"""`agents.reasoners.nano`: the embedded model as a reasoner."""

from concurrent.futures import ThreadPoolExecutor

import jinja2
import numpy as np
import pytest

from storm_calm.agents.reasoners import nano as module
from storm_calm.env.reasoner import Generation, ReasonerError, Sampling, collect

QUESTION = [{"role": "user", "content": "A workshop makes chairs and tables. How many of each earn the most?"}]
WILD = Sampling(temperature=1.5, top_p=0.99, seed=1)


def write(nano, prompt=None, *, stop=(), max_tokens=80, seed=1, temperature=1.5) -> Generation:
    sampling = Sampling(temperature=temperature, top_p=0.99, seed=seed)
    return nano.generate(prompt or nano.render(QUESTION), stop=stop, max_tokens=max_tokens, sampling=sampling)


def decoded(nano, ids) -> str:
    decoder = nano._tokens.decoder()
    return "".join(decoder.feed(id) for id in ids)


def test_a_seed_means_the_same_tokens_with_and_without_a_cache(nano):
    nano.close()
    first = write(nano)
    assert write(nano) == first
    ids = nano.encode_marked(nano.render(QUESTION))[0]
    assert write(nano, ids) == first
    for seed in range(5):
        write(nano, ids[: -seed - 1], seed=seed)
    assert write(nano) == first
    assert write(nano, seed=2) != first


def test_a_seed_means_the_same_tokens_whatever_runs_beside_it(nano):
    prompts = [
        nano.encode_marked(nano.render(QUESTION))[0] + nano.encode(f"Let me see {number}.")[0] for number in range(4)
    ]
    jobs = [(prompt, seed) for prompt in prompts for seed in range(4)]
    alone = []
    for prompt, seed in jobs:
        nano.close()
        alone.append(write(nano, prompt, seed=seed))
    nano.close()
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(lambda job: write(nano, job[0], seed=job[1]), jobs))
    assert together == alone


def test_a_hint_leads_to_the_same_tokens_whether_the_run_was_rewound_or_is_new(nano):
    prompt = nano.encode_marked(nano.render(QUESTION))[0]
    written = write(nano, prompt).ids
    hinted = prompt + written[:30] + nano.encode("Wait, let me use a solver.\n")[0]
    rewound = write(nano, hinted, seed=2)
    nano.close()
    assert write(nano, hinted, seed=2) == rewound


def test_without_a_seed_every_draw_is_another(nano):
    assert write(nano, seed=None).ids != write(nano, seed=None).ids


def test_temperature_0_is_greedy(nano):
    assert write(nano, temperature=0, seed=1) == write(nano, temperature=0, seed=2)


def test_a_stream_is_the_generation_in_pieces(nano):
    chunks = list(nano.stream(nano.render(QUESTION), stop=(), max_tokens=80, sampling=WILD))
    assert len(chunks) > 40
    assert all(chunk.finish is None for chunk in chunks[:-1])
    assert collect(chunks) == nano.generate(nano.render(QUESTION), stop=(), max_tokens=80, sampling=WILD)


def test_ids_and_ends_match_the_text(nano):
    generation = write(nano, max_tokens=200)
    assert generation.text.startswith(decoded(nano, generation.ids).removesuffix("<|im_end|>").rstrip("\ufffd"))
    assert generation.ends[-1] == len(generation.text)


def test_text_ends_with_the_stop_string_and_ids_with_the_text(nano):
    free = write(nano)
    for start in range(5, len(free.text) - 8, 11):
        stop = free.text[start : start + 6]
        stopped = write(nano, stop=("never this", stop))
        assert stopped.finish == "stop"
        assert stopped.text == free.text[: free.text.index(stop) + 6]
        if "\ufffd" not in stopped.text:
            assert decoded(nano, stopped.ids) == stopped.text
        kept = next(count for count, end in enumerate((*free.ends, len(free.text))) if end >= len(stopped.text))
        assert stopped.ids[:kept] == free.ids[:kept]


def test_the_end_of_the_turn_has_an_id_and_no_text(nano, monkeypatch):
    end = nano.encode_marked("<|im_end|>")[0][0]
    script = iter([*nano.encode("So be it")[0], end])
    monkeypatch.setattr(module, "draw", lambda logits, sampling, random: next(script))
    generation = write(nano)
    assert (generation.text, generation.finish) == ("So be it", "end")
    assert generation.ids == (*nano.encode("So be it")[0], end)


def test_writing_ends_at_the_limit_and_where_the_context_is_full(nano):
    limited = write(nano, max_tokens=7)
    assert (len(limited.ids), limited.finish) == (7, "length")
    prompt = nano.encode("x" * 10)[0] * nano.context
    full = write(nano, prompt[: nano.context - 3], max_tokens=50)
    assert (len(full.ids), full.finish) == (3, "length")


def test_a_prompt_that_fills_the_context_is_refused_with_its_length(nano):
    with pytest.raises(ReasonerError, match=f"has {nano.context} tokens, and nano-base holds {nano.context}"):
        write(nano, nano.encode("x" * 10)[0][:1] * nano.context)


@pytest.mark.parametrize(("prompt", "words"), [((), "empty"), ((1, 10**6), "no token 1000000"), ((-1,), "no token -1")])
def test_an_impossible_prompt_is_refused(nano, prompt, words):
    with pytest.raises(ValueError, match=words):
        nano.generate(prompt, stop=(), max_tokens=5, sampling=WILD)
    with pytest.raises(ValueError, match="max_tokens is 0"):
        write(nano, max_tokens=0)


def test_a_stream_that_is_left_gives_back_its_cache(nano):
    stream = nano.stream(nano.render(QUESTION), stop=(), max_tokens=80, sampling=WILD)
    next(stream)
    assert any(cache.busy for cache in nano._engine.caches._caches)
    stream.close()
    assert not any(cache.busy for cache in nano._engine.caches._caches)


def test_it_says_how_it_samples_and_how_much_it_holds(nano):
    assert nano.sampling.temperature > 0
    assert nano.context >= 1024
    assert nano.instructions == ""


def test_the_folders_own_template_renders_the_same_prompt(nano):
    template = jinja2.Template((nano.folder / "chat_template.jinja").read_text(encoding="utf-8"))
    for messages in (QUESTION, [{"role": "system", "content": "Think."}, *QUESTION]):
        assert template.render(messages=messages, add_generation_prompt=True) == nano.render(messages)


def test_onnxruntime_genai_opens_the_folder_and_writes_the_same(nano):
    genai = pytest.importorskip("onnxruntime_genai")
    prompt = nano.encode_marked(nano.render(QUESTION))[0]
    model = genai.Model(str(nano.folder))
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(prompt) + 30, do_sample=False)
    generator = genai.Generator(model, parameters)
    generator.append_tokens(np.array(prompt, dtype=np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    ids = tuple(int(id) for id in generator.get_sequence(0)[len(prompt) :])
    assert write(nano, prompt, temperature=0, max_tokens=30).ids[: len(ids)] == ids


def test_a_broken_tokenizer_is_named(nano, tmp_path):
    for name in ("model.onnx", "model.onnx.data", "genai_config.json", "generation_config.json"):
        (tmp_path / name).write_bytes((nano.folder / name).read_bytes())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ReasonerError, match=rf"{tmp_path}: tokenizer.json"):
        module.Nano(tmp_path)
