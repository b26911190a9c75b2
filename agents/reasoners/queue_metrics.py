"""The queue of a model server, from its Prometheus metrics.

    metrics = METRICS.get(capabilities.server)
    metrics is not None and metrics.is_queue_long(text)

vLLM has them always, SGLang with `--enable-metrics`, and llama.cpp with `--metrics`.
"""

import re
from dataclasses import dataclass

CHECK_SECONDS = 5.0
"""Seconds between two looks at the metrics of a server."""
LEAST_WAITING = 4
"""Shorter queues are never long."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueMetrics:
    """The names of the metrics of one kind of server."""

    running: str
    """Requests that it works on."""
    waiting: str
    """Requests in its queue."""

    def is_queue_long(self, text: str) -> bool:
        """Return whether more requests wait than the server works on. text: its metrics, untrusted."""
        running, waiting = _sum(text, self.running), _sum(text, self.waiting)
        return waiting >= LEAST_WAITING and waiting > running


METRICS = {
    "vllm": QueueMetrics(running="vllm:num_requests_running", waiting="vllm:num_requests_waiting"),
    "sglang": QueueMetrics(running="sglang:num_running_reqs", waiting="sglang:num_queue_reqs"),
    "llama.cpp": QueueMetrics(running="llamacpp:requests_processing", waiting="llamacpp:requests_deferred"),
}
"""The metrics by kind of server, see `agents.reasoners.capabilities`."""


def _sum(text: str, name: str) -> float:
    """Return the sum of a metric over its labels; 0 if it is missing."""
    values = re.findall(rf"^{re.escape(name)}(?:\{{[^}}\n]*\}})? ([0-9.e+]{{1,20}})$", text, re.MULTILINE)
    try:
        return sum(map(float, values))
    except ValueError:
        return 0.0
