"""What Prometheus reads of the service: requests, latency, samples, alarms, and drift against the calibration.

Owns the names of all metrics; alerts.yaml beside it uses them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .served import Served

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Figures:
    """Counters of one service, in a registry of its own."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "tsad_requests", "Requests answered, by path and status.", ["path", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "tsad_request_seconds",
            "Time from a request's headers to its answer.",
            ["path"],
            registry=self.registry,
            buckets=SECONDS,
        )
        self.samples, self.scored, self.alarms, self.events = (
            Counter(name, f"{what} of requests that were answered.", ["entity"], registry=self.registry)
            for name, what in (
                ("tsad_samples", "Samples"),
                ("tsad_scored_samples", "Samples with a score"),
                ("tsad_alarms", "Samples above the threshold"),
                ("tsad_events", "Events"),
            )
        )
        for counter in (self.samples, self.scored, self.alarms, self.events):
            for entity in served:
                counter.labels(entity)  # there from the start, as 0
        ProcessCollector(registry=self.registry)
        self.registry.register(_Drift(served))


class _Drift(Collector):
    """Computed when it is read, not for each request."""

    def __init__(self, served: Mapping[str, Served]) -> None:
        self._served = served

    def collect(self) -> Iterator[Metric]:
        live = GaugeMetricFamily("tsad_score_quantile", "Of recent scores.", labels=["entity", "quantile"])
        calibrated = GaugeMetricFamily(
            "tsad_calibration_score_quantile", "Of the calibration's scores.", labels=["entity", "quantile"]
        )
        recent, drift, alarms, expected, wanted, threshold = (
            GaugeMetricFamily(name, text, labels=["entity"])
            for name, text in (
                ("tsad_recent_scores", "Scores that the figures of recent scores are about."),
                ("tsad_score_drift", "Distance of recent scores from the calibration's, from 0 to 1."),
                ("tsad_alarm_rate", "Share of recent scores above the threshold."),
                ("tsad_calibration_alarm_rate", "Share of the calibration's scores above the threshold."),
                ("tsad_wanted_alarm_rate", "Share of normal samples that may be above the threshold."),
                ("tsad_threshold", "A score above it is an alarm."),
            )
        )
        for entity, one in self._served.items():
            pairs = zip(one.recent.live_quantiles(), one.about.score_quantiles.items(), strict=True)
            for now, (level, then) in pairs:
                live.add_metric([entity, level], now)
                calibrated.add_metric([entity, level], then)
            recent.add_metric([entity], one.recent.count)
            drift.add_metric([entity], one.recent.drift())
            alarms.add_metric([entity], one.recent.alarm_rate())
            expected.add_metric([entity], one.about.false_alarms.expected_per_1000 / 1000)
            wanted.add_metric([entity], one.about.false_alarms.wanted_per_1000 / 1000)
            threshold.add_metric([entity], one.model.threshold)
        yield from (live, calibrated, recent, drift, alarms, expected, wanted, threshold)
