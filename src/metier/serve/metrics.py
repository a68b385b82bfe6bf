"""What Prometheus is told: requests, answers, what was refused, what waits, and how the prediction log stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counters of one server, in a registry of its own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "metier_requests", "Requests by route and status.", ("route", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "metier_request_seconds", "Seconds a request took.", ("route",), registry=self.registry, buckets=_SECONDS
        )
        self.rows = Counter(
            "metier_rows",
            "Rows answered, by expert, version and share of traffic.",
            ("expert", "version", "share"),
            registry=self.registry,
        )
        self.abstained = Counter(
            "metier_rows_abstained", "Rows that a person should answer.", ("expert", "version"), registry=self.registry
        )
        self.feedback = Counter("metier_feedback", "Truths told.", registry=self.registry)
        self.shadow_dropped = Counter(
            "metier_shadow_dropped", "Rows a shadow did not answer, for there was no time.", registry=self.registry
        )
        self.open = Gauge("metier_requests_open", "Requests being answered.", registry=self.registry)

    def watch(self, gauges: Callable[[], dict[str, float]]) -> None:
        """Show these numbers, too, as they are when asked: name without its prefix -> value."""
        self.registry.register(_Watched(gauges))

    def answered(self, expert: str, version: str, share: str, answers: list[dict[str, Any]]) -> None:
        """Count answers."""
        self.rows.labels(expert, version, share).inc(len(answers))
        silent = sum(answer["abstain"] for answer in answers)
        if silent and share != "shadow":
            self.abstained.labels(expert, version).inc(silent)

    def page(self) -> bytes:
        """The text format."""
        return generate_latest(self.registry)


class _Watched(Collector):
    def __init__(self, gauges: Callable[[], dict[str, float]]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for name, value in self._gauges().items():
            yield GaugeMetricFamily(f"metier_{name}", name.replace("_", " "), value=value)
