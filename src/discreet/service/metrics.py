"""Counters for Prometheus: how many, how fast, how busy. Nothing of who asked or what was shown."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The figures of one service, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("discreet_requests", "requests answered", ("route", "status"), registry=self._registry)
        self.seconds = Histogram(
            "discreet_request_seconds", "from first byte to answer", ("route",), buckets=BUCKETS_S,
            registry=self._registry,
        )  # fmt: skip
        self.waiting = Gauge("discreet_requests_waiting", "requests that wait for a worker", registry=self._registry)
        self.parsing = Gauge("discreet_requests_parsing", "requests that are parsed", registry=self._registry)
        self.workers = Gauge("discreet_workers", "workers alive", registry=self._registry)
        self.restarts = Gauge("discreet_worker_restarts", "workers that had to be replaced", registry=self._registry)

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All figures, in the text format of Prometheus."""
        return generate_latest(self._registry)
