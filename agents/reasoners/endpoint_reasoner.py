"""The common part of the reasoners over an endpoint.

`completions` and `chat` build the requests and parse the answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import closing
from time import monotonic

from storm_calm.agents.reasoners.async_interface import Prompt
from storm_calm.agents.reasoners.capabilities import discover
from storm_calm.agents.reasoners.endpoint import Endpoint
from storm_calm.agents.reasoners.limits import Limits
from storm_calm.agents.reasoners.load_limit import LoadLimit
from storm_calm.agents.reasoners.queue_metrics import CHECK_SECONDS, METRICS
from storm_calm.agents.reasoners.retry import UnavailableError
from storm_calm.agents.reasoners.server_answers import ServerAnswers
from storm_calm.agents.reasoners.server_tokenizer import server_ids
from storm_calm.env.reasoner import Chunk, Generation, Sampling
from storm_calm.env.solver_env import DEFAULT_TOKENS


class EndpointReasoner(ABC):
    """The common part of the reasoners over an endpoint. Thread-safe."""

    instructions: str | None = None
    hint_marks = ("", "")
    kind: str
    timeout = 120.0
    """The default timeout in seconds."""

    def __init__(
        self,
        url: str,
        *,
        model: str | None = None,
        api_key: str | None = None,
        timeout: float | None = None,
        max_retries: int = 2,
        limits: Limits | None = None,
    ) -> None:
        """Connect. Raises ValueError for an invalid URL, ReasonerError if the endpoint or the model is unavailable.

        model: the endpoint's name for it; optional if the endpoint serves only one. For the others see `Endpoint`.
        """
        timeout = self.timeout if timeout is None else timeout
        self._endpoint = Endpoint(
            url, kind=self.kind, api_key=api_key, timeout=timeout, max_retries=max_retries, limits=limits
        )
        self.url = self._endpoint.url
        self.sampling = Sampling()
        self.capabilities = discover(self._endpoint, model)
        self.name = self.capabilities.model
        self._queue_metrics = METRICS.get(self.capabilities.server)
        self._queue_checked_at = monotonic()
        context = self.capabilities.context
        # Hosted models have up to a million tokens, more than any trajectory should cost.
        self.context = min(context, DEFAULT_TOKENS) if context and self.capabilities.server == "hosted" else context

    def stream(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generator[Chunk]:
        """Continue `prompt`. Yield a chunk for each event of the endpoint. Raises ReasonerError."""
        self._check_queue()
        return self._endpoint.stream(self._attempts(prompt, stop, max_tokens, sampling))

    def generate(self, prompt: Prompt, *, stop: tuple[str, ...], max_tokens: int, sampling: Sampling) -> Generation:
        """Return the whole continuation. A broken stream is retried even if the new text differs."""
        self._check_queue()
        return self._endpoint.generate(self._attempts(prompt, stop, max_tokens, sampling))

    def server_ids(self, text: str) -> tuple[int, ...] | None:
        """Return the token ids of `text` as the server encodes it; None if it does not encode text."""
        return server_ids(self._endpoint, self.capabilities, text)

    @property
    def load(self) -> LoadLimit:
        """The requests in flight to the endpoint."""
        return self._endpoint.load

    def cancel(self) -> None:
        """End all pauses: before retries, and for limits. Requests that wait raise RunCancelledError."""
        self._endpoint.cancel()

    def _check_queue(self) -> None:
        """Send fewer requests if the server's queue is long; at most every few seconds."""
        if self._queue_metrics is None or monotonic() - self._queue_checked_at < CHECK_SECONDS:
            return
        self._queue_checked_at = monotonic()
        with closing(ServerAnswers(str(self._endpoint.client.base_url), self._endpoint.api_key)) as answers:
            status, text = answers.request("GET", "/metrics")
        if status != 200:
            self._queue_metrics = None
        elif self._queue_metrics.is_queue_long(text.decode(errors="replace")):
            self.load.decrease()

    def pause(self, seconds: float) -> None:
        """Sleep. Raises RunCancelledError after `cancel`."""
        self._endpoint.pause(seconds)

    def check_health(self) -> None:
        """Raise UnavailableError if the endpoint does not answer."""
        with closing(ServerAnswers(str(self._endpoint.client.base_url), self._endpoint.api_key)) as answers:
            status, _ = answers.request("GET", "/models", api=True)
        if status is None or status >= 500:
            raise UnavailableError(f"{self.url} does not answer: {status or 'no connection'}")

    def close(self) -> None:
        self._endpoint.close()

    @abstractmethod
    def _attempts(
        self, prompt: Prompt, stop: tuple[str, ...], max_tokens: int, sampling: Sampling
    ) -> Callable[[], Generator[Chunk]]:
        """Return the function that makes a request and yields the chunks of its answer."""
