"""The engine under the nano reasoner: onnxruntime with a KV cache.

It opens a folder as `rl.nano.export_onnx` (or onnxruntime-genai's own model builder) makes it, and gives logits:

    engine = Engine(Path("models/nano/base"))
    with engine.caches.lease(ids) as cache:
        logits = cache.forward(ids[cache.length :])     # prefill: logits of the token after the last
        logits = cache.forward([17])                    # decode: and of the one after that

**Many episodes at once.** Each call runs one sequence on one thread, and onnxruntime lets go of Python's lock while it
computes, so as many threads as there are cores compute at once over one copy of the weights. Rows of different lengths
in one batch would need a scheduler between the threads, and gain little on few cores.

**The same bits, always.** The logits after a prompt have the same bits whether it was computed at once, in pieces, or
partly in an earlier request: all that holds as long as each run computes two positions or more, on one thread. One
position alone goes through other kernels (a matrix times a vector), which add in another order and are faster. So
tokens are decoded one at a time, and decoded tokens are not taken over from a request into the next: there they are
part of the prompt, and are prefilled as such, in one run. Thus the logits follow from the prompt and the tokens since.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from storm_calm.agents.reasoners.kv_cache import KVCache, KVCachePool
from storm_calm.env.reasoner import ReasonerError

# Read when onnxruntime is imported. Its official builds report usage to their maker unless this is set.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


class Engine:
    """One model, opened."""

    context: int
    """The most tokens of a sequence."""
    vocabulary: int
    """How many tokens there are to choose from."""

    def __init__(self, folder: Path, *, max_cached: int = 32) -> None:
        """max_cached: sequences whose keys and values are kept for later requests.

        Raises ReasonerError where onnxruntime or the model is missing, or cannot be opened.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise ReasonerError(
                f"the nano reasoner needs {error.name}, which is not installed: pip install storm-calm"
            ) from error
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
        """Keys and values of earlier requests."""
