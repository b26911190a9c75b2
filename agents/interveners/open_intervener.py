"""Interveners by kind, as in configs and on the command line.

    with open_intervener("rules+llm", url="http://localhost:8000/v1", model="Qwen/Qwen3-32B") as intervener: ...

The API key is read from the environment only (STORM_INTERVENER_KEY, or else OPENAI_API_KEY), so it is never written to
a file or shown in a process list.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import get_args

from storm_calm.agents.interveners import Intervener, RulesIntervener
from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.runs.endpoint_url import check_endpoint_url
from storm_calm.agents.runs.intervener_options import IntervenerOptions, Kind
from storm_calm.agents.runs.options import OptionError
from storm_calm.agents.runs.reasoner_options import given_limits

KINDS: tuple[Kind, ...] = get_args(Kind)


def check_intervener(kind: str, *, url: str = "", model: str = "", price: str = "") -> None:
    """Raise OptionError for arguments that `open_intervener` does not accept."""
    if kind not in KINDS:
        raise OptionError("intervener", f'"{kind}" is not one of {", ".join(KINDS)}')
    if kind == "rules":
        for name, value in (("url", url), ("model", model), ("price", price)):
            if value:
                raise OptionError(f"intervener_{name}", "goes with --intervener llm or rules+llm; rules use no model")
        return
    if not url:
        raise OptionError(
            "intervener", f"{kind} needs an endpoint with chat completions: --intervener-url http://localhost:8000/v1"
        )
    check_endpoint_url("intervener_url", url, key="STORM_INTERVENER_KEY")
    try:
        Prices.read(price)
    except ValueError as error:
        raise OptionError("intervener_price", str(error)) from None


def open_configured_intervener(
    options: IntervenerOptions, *, reply_cache: Path | None = None, floor: float = 0.0
) -> AbstractContextManager[Intervener]:
    """Open the intervener of a config, see `open_intervener`."""
    return open_intervener(
        options.intervener,
        url=options.intervener_url,
        model=options.intervener_model,
        price=options.intervener_price,
        limits=given_limits(options.intervener_rpm, options.intervener_tpm),
        reply_cache=reply_cache,
        floor=floor,
    )


@contextmanager
def open_intervener(
    kind: str,
    *,
    url: str = "",
    model: str = "",
    price: str = "",
    limits: Limits | None = None,
    reply_cache: Path | None = None,
    floor: float = 0.0,
) -> Iterator[Intervener]:
    """Open an intervener of this kind; it is closed at the end of the block.

    url, model: of the endpoint, for kinds with "llm"; the model is optional if the endpoint serves only one.
    price: of a million tokens in and out, as "IN,OUT"; "" for 0. limits: rate limits of the endpoint and key.
    reply_cache: file of the cache, see `agents.interveners.reply_cache`; None caches in memory only.
    floor: confidence in [0, 1] below which "rules+llm" ignores a finding of the rules.
    Raises ValueError for invalid arguments or an invalid cache file, ReasonerError if the endpoint is unreachable or
    does not have the model.
    """
    check_intervener(kind, url=url, model=model, price=price)
    if kind == "rules":
        yield RulesIntervener()
        return
    from storm_calm.agents.interveners.composite import Composite
    from storm_calm.agents.interveners.llm import LLMIntervener
    from storm_calm.agents.interveners.llm_client import API_KEY_VARIABLE
    from storm_calm.agents.interveners.reply_cache import ReplyCache

    cache, api_key = ReplyCache(reply_cache), os.environ.get(API_KEY_VARIABLE)
    llm = LLMIntervener(
        url, model=model or None, api_key=api_key, prices=Prices.read(price), limits=limits, reply_cache=cache
    )
    with closing(llm):
        yield llm if kind == "llm" else Composite(RulesIntervener(), llm, floor=floor)
