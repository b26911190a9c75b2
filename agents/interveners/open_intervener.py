"""Interveners by name, as settings and command lines give them.

    with open_intervener("rules+llm", url="http://localhost:8000/v1", model="Qwen/Qwen3-32B") as intervener: ...

The key of an endpoint is read from the environment, from `STORM_INTERVENER_KEY` or else `OPENAI_API_KEY`, so that it
stands in no file and in no list of processes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

from storm_calm.agents.interveners import Intervener, RulesIntervener
from storm_calm.agents.interveners.cost import Prices
from storm_calm.agents.runs.intervener_options import IntervenerOptions, Kind
from storm_calm.agents.runs.options import OptionError

KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of interveners."""


def check_intervener(kind: str, *, url: str = "", model: str = "", price: str = "") -> None:
    """Raise OptionError for what `open_intervener` could not open."""
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
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise OptionError("intervener_url", f'"{url}" is not a URL. Example: http://localhost:8000/v1')
    if parts.username or parts.password:
        # Settings are written into the run's folder.
        raise OptionError("intervener_url", "holds a name or a password; leave it out, and set STORM_INTERVENER_KEY")
    try:
        Prices.read(price)
    except ValueError as error:
        raise OptionError("intervener_price", str(error)) from None


def open_configured_intervener(
    options: IntervenerOptions, *, reply_cache: Path | None = None, floor: float = 0.0
) -> AbstractContextManager[Intervener]:
    """Open the intervener that a config names, as `open_intervener` does."""
    return open_intervener(
        options.intervener,
        url=options.intervener_url,
        model=options.intervener_model,
        price=options.intervener_price,
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
    reply_cache: Path | None = None,
    floor: float = 0.0,
) -> Iterator[Intervener]:
    """The intervener of this kind, closed at the end.

    url, model: of the endpoint, for a kind with "llm"; the model may be left out where it serves one only.
    price: what a million tokens in and out cost, as "IN,OUT"; "" for nothing.
    reply_cache: file of earlier replies, see `agents.interveners.reply_cache`; None for none.
    floor: how sure a rule has to be to be heard before the language model, in [0, 1].
    Raises ValueError as `check_intervener` does, and for a reply cache that cannot be read; ReasonerError where
    the endpoint does not answer, or not with a model.
    """
    check_intervener(kind, url=url, model=model, price=price)
    if kind == "rules":
        yield RulesIntervener()
        return
    import os

    from storm_calm.agents.interveners.composite import Composite
    from storm_calm.agents.interveners.llm import API_KEY_VARIABLE, LLMIntervener
    from storm_calm.agents.interveners.reply_cache import ReplyCache

    with closing(
        LLMIntervener(
            url,
            model=model or None,
            api_key=os.environ.get(API_KEY_VARIABLE),
            prices=Prices.read(price),
            reply_cache=ReplyCache(reply_cache),
        )
    ) as llm:
        yield llm if kind == "llm" else Composite(RulesIntervener(), llm, floor=floor)
