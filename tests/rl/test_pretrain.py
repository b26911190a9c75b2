"""Pretraining, small: it learns, several processes agree, and the checkpoint opens in transformers."""

import itertools
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="making a nano model needs the extra nano (torch)")

from tokenizers import Tokenizer  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from storm_calm.agents.reasoners import built_in, chat_template  # noqa: E402
from storm_calm.rl.nano.copying_drills import drill_corpus, drills  # noqa: E402
from storm_calm.rl.nano.nano_tokenizer import NanoRenderer  # noqa: E402
from storm_calm.rl.nano.pretrain import IGNORED, PretrainConfig, _batches, pretrain, save  # noqa: E402
from storm_calm.rl.nano.pretraining_corpus import Corpus  # noqa: E402

pytestmark = pytest.mark.slow

TOKENIZER = built_in("nano-base") / "tokenizer.json"
SMALL = PretrainConfig(hidden=64, layers=2, tokens=40_000, batch_tokens=1_000, warmup=5)


@pytest.fixture(scope="module")
def corpus():
    return drill_corpus(NanoRenderer(TOKENIZER), count=300, seed=1)


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    pretrain(corpus, corpus, SMALL, out=out, processes=2)
    return out


def mean_loss(model, corpus):
    ids, targets = next(_batches(corpus, SMALL, np.random.default_rng(0), right_only=True))
    with torch.no_grad():
        logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED)


def test_training_lowers_the_loss(trained, corpus):
    assert mean_loss(AutoModelForCausalLM.from_pretrained(trained), corpus) < 0.75 * np.log(1024)


def test_the_same_seed_gives_the_same_weights(trained, corpus, tmp_path):
    pretrain(corpus, corpus, SMALL, out=tmp_path, processes=2)
    assert (tmp_path / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()


def test_a_checkpoint_loads_in_transformers_with_the_environments_prompt(trained, tmp_path):
    save(trained, Tokenizer.from_file(str(TOKENIZER)), tmp_path, temperature=0.5)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path), AutoTokenizer.from_pretrained(tmp_path)
    assert model.generation_config.temperature == 0.5
    assert model.dtype == torch.float16
    messages = [{"role": "user", "content": "What is the most?"}]
    rendered = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert rendered == chat_template.render(messages)
    ids = tokenizer(rendered, add_special_tokens=False)["input_ids"]
    assert tuple(ids) == NanoRenderer(TOKENIZER).encode_marked(rendered)[0]


def test_targets_are_the_learned_next_tokens():
    corpus = Corpus(
        ids=np.array([5, 6, 7, 8, 9, 10, 11], dtype=np.uint16),
        learn=np.array([0, 0, 1, 1, 0, 1, 0], dtype=np.uint8),
        starts=np.array([0, 4, 7]),
        right=np.array([True, True]),
        labels=np.array(["a", "b"]),
    )
    ids, targets = next(_batches(corpus, SMALL, np.random.default_rng(0), right_only=True))
    assert ids.tolist() == [[9, 10, 11, 0], [5, 6, 7, 8]]
    assert targets.tolist() == [[10, IGNORED, IGNORED, IGNORED], [IGNORED, 7, 8, IGNORED]]


def test_right_only_batches_exclude_flawed_traces(corpus):
    flawed = Corpus(
        ids=corpus.ids, learn=corpus.learn, starts=corpus.starts, labels=corpus.labels,
        right=np.arange(len(corpus.right)) % 3 == 0,
    )  # fmt: skip
    batches = _batches(flawed, SMALL, np.random.default_rng(0), right_only=True)
    seen = 0
    while seen < 100:
        seen += len(next(batches)[0])
    assert seen == 100


def test_a_drill_copies_a_sentence_or_its_numbers():
    lists = 0
    for sentence, copy in itertools.islice(drills(5), 200):
        numbers = [int(n.replace(",", "")) for n in re.findall(r"\d{1,3}(?:,\d{3})+|\d+", sentence)]
        assert copy in (sentence, str(numbers))
        lists += copy != sentence
    assert 60 < lists < 140
