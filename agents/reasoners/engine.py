"""The engine of the nano reasoner: onnxruntime with a KV cache.

It opens a folder that `rl.nano.export_onnx` or onnxruntime-genai's model builder wrote, and computes logits:

    engine = Engine(Path("models/nano/base"))
    with engine.caches.lease(ids) as cache:
        logits = cache.forward(ids[cache.length :])     # prefill: logits of the token after the prompt
        logits = cache.forward([17])                    # decode: logits of the next token

**Concurrency.** Each call runs one sequence on one thread. onnxruntime releases Python's GIL, so as many threads as
there are cores compute at the same time with one copy of the weights. Batching gains little on few cores.

**Bit-identical logits.** The logits after a prompt have the same bits whether it was computed at once, in pieces, or
partly in an earlier request. This holds as long as each run computes at least two positions, on one thread. A single
position uses faster kernels (matrix times vector) that add in another order. So tokens are decoded one at a time, and
decoded tokens are not reused by the next request: there they are part of the prompt and are prefilled again.
"""

import json
import os
from pathlib import Path

from storm_calm.agents.reasoners.kv_cache import KVCache, KVCachePool
from storm_calm.env.reasoner import ReasonerError

# onnxruntime reads this when it is imported. Without it, the official builds send telemetry.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


class Engine:
    """An opened model."""

    context: int
    """The most tokens of a sequence."""
    vocabulary: int
    """The number of tokens in the vocabulary."""

    def __init__(self, folder: Path, *, max_cached: int = 32) -> None:
        """max_cached: KV caches kept for later requests. Raises ReasonerError if the model cannot be loaded."""
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ReasonerError(f"the nano reasoner needs {error.name}: pip install storm-calm") from error
        except ImportError as error:
            raise ReasonerError(f"onnxruntime is installed, but can't be loaded: {error}") from error
        for name in ("model.onnx", "genai_config.json"):
            if not (folder / name).is_file():
                raise ReasonerError(
                    f"{folder}: {name} is missing; export a checkpoint to it with "
                    f"`python -m storm_calm.rl.nano.export_onnx CHECKPOINT {folder}`"
                )
        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            config = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))["model"]
            self.context = int(config["context_length"])
            session = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            decoder = config["decoder"]
            shape = (1, int(decoder["num_key_value_heads"]), self.context, int(decoder["head_size"]))
            layers = int(decoder["num_hidden_layers"])
            self.vocabulary = int(config["vocab_size"])
        except Exception as error:
            raise ReasonerError(f"{folder}: the model cannot be opened: {error}") from error
        self.caches = KVCachePool(
            lambda: KVCache(session, shape=shape, layers=layers, vocabulary=self.vocabulary), max_cached=max_cached
        )
