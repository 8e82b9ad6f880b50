"""The figures of a process. Labels are sources, verdicts and kinds: never an order, a name or a token."""

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REGISTRY = CollectorRegistry()


class Often:
    """A counter that every webhook raises: counted in a dict and told when the figures are looked at, for a raise of
    the real one, with its locks and checks, costs as much as to encode an order."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._raised: dict[tuple[str, ...], int] = {}

    def inc(self, *labels: str) -> None:
        self._raised[labels] = self._raised.get(labels, 0) + 1

    def tell(self) -> None:
        raised, self._raised = self._raised, {}
        for labels, times in raised.items():
            self._counter.labels(*labels).inc(times)


EVENTS = Often(Counter("orderboard_events_total", "Events by outcome", ["source", "verdict"], registry=REGISTRY))
HOOKS = Often(Counter("orderboard_hooks_total", "Webhook calls by answer", ["source", "status"], registry=REGISTRY))
QUARANTINED = Counter(
    "orderboard_quarantined_total", "Bodies put into quarantine", ["source", "why"], registry=REGISTRY
)
SOCKETS = Gauge("orderboard_sockets", "Open sockets", ["kind"], registry=REGISTRY, multiprocess_mode="livesum")
GAPS = Counter("orderboard_gaps_total", "Gaps in the changes heard, by how they were filled", ["by"], registry=REGISTRY)
POLLS = Counter("orderboard_polls_total", "Polls by how they went", ["source", "result"], registry=REGISTRY)
CALLS = Counter(
    "orderboard_calls_total", "Calls to order systems by what came of them", ["source", "result"], registry=REGISTRY
)
RETIRED = Counter("orderboard_retired_total", "Orders erased because their time was over", registry=REGISTRY)
SIGN_INS = Counter("orderboard_sign_ins_total", "Sign-ins by how they went", ["result"], registry=REGISTRY)
COMMIT = Histogram(
    "orderboard_commit_seconds",
    "From an event in hand to stored",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2),
    registry=REGISTRY,
)


def told() -> None:
    """So that another worker's look finds what was counted here."""
    EVENTS.tell()
    HOOKS.tell()


def text() -> bytes:
    """This process' figures, or those of all workers added up."""
    told()
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
