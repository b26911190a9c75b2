"""Prometheus metrics of the server, at `/metrics`."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bucket bounds of the histograms."""


class Metrics:
    """The metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        # Label "path" only with paths of routes: clients could make up any number of others.
        self.requests = Counter("storm_requests", "Requests by path and status.", ["path", "status"], registry=registry)
        self.tokens = Counter("storm_tokens", "Tokens that the model wrote.", registry=registry)
        self.executions = Counter(
            "storm_executions", "Programs that ran and malformed calls, by status.", ["status"], registry=registry
        )
        self.interventions = Counter(
            "storm_interventions", "Hints of the guard, by trigger.", ["trigger"], registry=registry
        )
        self.solver_seconds = Counter("storm_solver_seconds", "Seconds in which programs ran.", registry=registry)
        self.running = Gauge("storm_running", "Answers in progress.", registry=registry)
        self.acting = Gauge("storm_acting", "Answers with a program that runs or is queued.", registry=registry)
        self.first_token = Histogram(
            "storm_first_token_seconds", "From a request to its first text.", buckets=SECONDS, registry=registry
        )
        self.answer = Histogram(
            "storm_answer_seconds", "From a request to the end of its answer.", buckets=SECONDS, registry=registry
        )
