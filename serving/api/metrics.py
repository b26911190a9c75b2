"""The server's metrics for Prometheus, at `/metrics`."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from storm_calm.sandbox import Execution

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bounds of the histograms."""


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "storm_requests", "Requests by path and status.", ["path", "status"], registry=self.registry
        )
        self._tokens = Counter("storm_tokens", "Tokens that the model wrote.", registry=self.registry)
        self._executions = Counter(
            "storm_executions", "Programs that ran, by how they ended.", ["status"], registry=self.registry
        )
        self._solver = Counter("storm_solver_seconds", "Seconds in which programs ran.", registry=self.registry)
        self._running = Gauge("storm_running", "Answers under way.", registry=self.registry)
        self._acting = Gauge(
            "storm_acting", "Answers whose program runs, or waits for its turn.", registry=self.registry
        )
        self._first = Histogram(
            "storm_first_token_seconds", "From a request to the model's first text.",
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self._answer = Histogram(
            "storm_answer_seconds", "From a request to the end of its answer.", buckets=SECONDS, registry=self.registry
        )

    def answered(self, path: str, status: int) -> None:
        """Count a request that was answered. path: of a route, never what a client made up."""
        self._requests.labels(path, str(status)).inc()

    def began(self) -> None:
        """Count an answer that begins."""
        self._running.inc()

    def acting(self, acting: bool) -> None:
        """Count a program that begins to wait for its turn, or has ended."""
        self._acting.inc(1 if acting else -1)

    def ended(self, seconds: float) -> None:
        """Count an answer that ended, or was cancelled, after so many seconds."""
        self._running.dec()
        self._answer.observe(seconds)

    def first_token(self, seconds: float) -> None:
        """Observe the seconds from a request to its first text."""
        self._first.observe(seconds)

    def tokens(self, count: int) -> None:
        """Count more tokens."""
        self._tokens.inc(count)

    def ran(self, execution: Execution) -> None:
        """Count a program that ran."""
        self._executions.labels(execution.status).inc()
        self._solver.inc(execution.wall_seconds)

    def text(self) -> bytes:
        """Return all figures, as Prometheus reads them."""
        return generate_latest(self.registry)
