"""The board, told to Prometheus and to people."""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from serving.metrics.content import CODES, COUNTED, ELSEWHERE, PRESENT, ROUTES
from serving.metrics.shared import Histogram, MetricFamily, SharedMetrics
from serving.model import ModelHandle

_PREFIX: Final = "canopy_"


def document(board: SharedMetrics) -> dict[str, Any]:
    """All figures of all workers, for people and pages; times in seconds."""
    places = {name: board.place(family) for name, family in PRESENT.items()}
    places |= {name: board.place(family) + offset for name, (family, offset) in COUNTED.items()}
    cpu, memory, version = (
        board.each(board.place(f"worker_{name}")) for name in ("cpu_seconds", "resident_memory_bytes", "model_version")
    )
    return {
        "batcher": {name: int(board.total(place)) for name, place in places.items()},
        "connections": int(board.total(board.place("connections"))),
        "requests": _requests(board),
        **{part.name: _summary(board, part) for part in board.content if isinstance(part, Histogram)},
        "workers": [
            {"cpu_seconds": seconds, "resident_memory_bytes": int(size), "model_version": int(number)}
            for seconds, size, number in zip(cpu, memory, version, strict=True)
        ],
    }


class PrometheusMetrics(Collector):
    """The board in Prometheus' exposition formats.

    Args:
        board: of all workers.
        handle: whose model is told.
    """

    def __init__(self, board: SharedMetrics, handle: ModelHandle) -> None:
        self._board = board
        self._handle = handle
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their media type, in the format that a header Accept asks for."""
        encode: Callable[[CollectorRegistry], bytes]
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type

    def describe(self) -> Iterator[Metric]:
        """See ``Collector``; nothing is registered beside this."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        for part in self._board.content:
            yield self._histogram(part) if isinstance(part, Histogram) else self._family(part)
        model = self._handle.model
        info = GaugeMetricFamily(f"{_PREFIX}model_info", "The model in service", labels=["name", "version", "engine"])
        if model is not None:
            info.add_metric([model.name, model.version, model.engine.name], 1)
        yield info

    def _family(self, part: MetricFamily) -> Metric:
        make = CounterMetricFamily if part.kind == "counter" else GaugeMetricFamily
        names = [name for name, _ in part.labels]
        place = self._board.place(part.name)
        if part.each_worker:
            family = make(_PREFIX + part.name, part.help, labels=["worker"])
            for index, value in enumerate(self._board.each(place)):
                family.add_metric([str(index)], value)
            return family
        family = make(_PREFIX + part.name, part.help, labels=names)
        for at, values in enumerate(part.combinations()):
            value = self._board.total(place + at)
            # Of two labels only the combinations that occur: there is no GET /metrics that is answered 415.
            if value or len(names) < 2:
                family.add_metric(values, value)
        return family

    def _histogram(self, part: Histogram) -> Metric:
        counts, value_sum = _read(self._board, part)
        bounds = [*map(floatToGoString, part.bounds), "+Inf"]
        family = HistogramMetricFamily(_PREFIX + part.name, part.help)
        family.add_metric([], list(zip(bounds, accumulate(counts), strict=True)), value_sum)
        return family


def _requests(board: SharedMetrics) -> dict[str, dict[str, int]]:
    """How many requests were answered, by route and status."""
    found: dict[str, dict[str, int]] = {}
    for at, route in enumerate((*ROUTES, ELSEWHERE)):
        place = board.place("requests") + at * len(CODES)
        counts = {str(code or "other"): int(board.total(place + offset)) for offset, code in enumerate(CODES)}
        if any(counts.values()):
            found[route] = {code: count for code, count in counts.items() if count}
    return found


def _summary(board: SharedMetrics, part: Histogram) -> dict[str, Any]:
    counts, value_sum = _read(board, part)
    count = sum(counts)
    return {
        "count": count,
        "mean": value_sum / count if count else None,
        **{f"p{percent}": _quantile(part.bounds, counts, percent / 100) for percent in (50, 90, 99)},
        "buckets": [[bound, number] for bound, number in zip((*part.bounds, None), counts, strict=True)],
    }


def _read(board: SharedMetrics, part: Histogram) -> tuple[list[int], float]:
    """A histogram's counts by bucket, and the sum of its values."""
    place = board.place(part.name)
    counts = [int(board.total(place + at)) for at in range(len(part.bounds) + 1)]
    return counts, board.total(place + len(part.bounds) + 1)


def _quantile(bounds: tuple[float, ...], counts: list[int], share: float) -> float | None:
    """Estimate a quantile as Prometheus' ``histogram_quantile`` does: values lie evenly within their bucket.

    Of what lies beyond the last bound nothing but that bound is known. None without any value.
    """
    rank = share * sum(counts)
    below = 0
    for at, count in enumerate(counts[:-1]):
        if count and below + count >= rank:
            low = bounds[at - 1] if at else 0.0
            return min(bounds[at], low + (bounds[at] - low) * (rank - below) / count)  # a sum may be rounded up
        below += count
    return bounds[-1] if below < sum(counts) else None
