"""What Prometheus may ask of this process. All names begin with `gate_reconciler_`."""

from __future__ import annotations

from time import monotonic, time
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from reconciler.batch import Batch

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_BOOKING_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_SWEEP_S: Final = (0.01, 0.1, 1, 10, 60, 300, 1_800)


class Metrics:
    """One registry of its own, with everything that the parts of the reconciler count.

    Lag is told by `own`, `booked`, `caught_up` and `reached`; everything else is set or counted by
    whoever knows it, on the attribute.
    """

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        #: What Redis's clock is ahead of this machine's.
        self.redis_ahead_s = 0.0
        self._lag_s: dict[int, float] = {}
        self._looked_at = monotonic()

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(name, help, labels, "gate", "reconciler", registry=registry)

        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(name, help, labels, "gate", "reconciler", registry=registry)

        def histogram(name: str, help: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                name, help, labels, "gate", "reconciler", registry=registry, buckets=bounds
            )

        self.deltas_booked = counter("deltas_booked", "Deltas carried from journals to the ledger")
        self.batches = counter("batches", "Booking transactions")
        self.booking_seconds = histogram(
            "booking_seconds", "Duration of a booking transaction", _BOOKING_S
        )
        self.reversals = counter("reversals", "Repeats that were booked and reversed")
        self.lag_deltas = gauge("lag_deltas", "Deltas not booked yet", "partition")
        self.lag_seconds = gauge(
            "lag_seconds", "Age of the instant up to which a journal is booked", "partition"
        )
        self.gaps = counter("gaps", "Missing deltas told by a jump of seq, in ranges")
        self.forks = counter("forks", "Journals whose past changed")
        self.misfits = counter("misfits", "What did not fit the ledger", "reason")
        self.reloads = counter("reloads", "Accounts taken out of Redis to be loaded again")
        self.loads = counter("loads", "Accounts loaded into Redis")
        self.quarantined = counter("quarantined", "Entries of journals that could not be booked")
        self.quarantined_open = gauge(
            "quarantined_open", "Entries in quarantine that nobody has replayed"
        )
        self.drift_credits = gauge(
            "drift_credits", "Sum of |live - booked| that the last sweep found"
        )
        self.accounts = gauge("accounts", "Accounts under repair, by state", "state")
        self.oldest_open_hold_seconds = gauge(
            "oldest_open_hold_seconds", "How long the oldest open hold is past its expiry"
        )
        self.oldest_unapplied_operation_seconds = gauge(
            "oldest_unapplied_operation_seconds",
            "Age of the oldest operation that has not reached its account",
        )
        self.sweep_seconds = histogram("sweep_seconds", "Duration of a sweep", _SWEEP_S, "sweep")
        self.leases_owned = gauge("leases_owned", "Partitions that this process works on")
        self.redis_clock_skew_seconds = gauge(
            "redis_clock_skew_seconds", "What Redis's clock is ahead of PostgreSQL's"
        )
        self.away_seconds = gauge("away_seconds", "Time since a server was last seen", "server")
        self.restarts = counter("restarts", "Tasks started again after a passing failure", "task")
        for state in ("reloading", "stopped"):
            self.accounts.labels(state)

    def own(self, partitions: frozenset[int]) -> None:
        """This process works on `partitions` now, and reports their lag alone."""
        for part in set(self._lag_s) - partitions:
            del self._lag_s[part]
            self.lag_seconds.remove(part)
            self.lag_deltas.remove(part)
        if not self._lag_s:
            self._looked_at = monotonic()
        self._lag_s |= {part: 0.0 for part in partitions if part not in self._lag_s}
        self.leases_owned.set(len(partitions))

    def booked(self, batch: Batch, seconds: float) -> None:
        """A transaction was committed that took so long."""
        self._looked_at = monotonic()
        self.batches.inc()
        self.deltas_booked.inc(batch.deltas)
        self.booking_seconds.observe(seconds)
        self.reversals.inc(len(batch.reversals))
        self.quarantined.inc(len(batch.quarantined))
        for report in batch.reports:
            self.misfits.labels(report.kind).inc()
            if report.kind == "gap":
                self.gaps.inc()

    def reached(self, partition: int, at_s: float) -> None:
        """A journal is booked up to an instant of Redis's clock, in seconds since 1970."""
        if partition in self._lag_s:
            self._lag_s[partition] = max(0.0, time() + self.redis_ahead_s - at_s)

    def caught_up(self, partitions: Iterable[int] | None = None) -> None:
        """Nothing is left to book in some owned partitions; None: in any."""
        self._looked_at = monotonic()
        for part in self._lag_s if partitions is None else partitions:
            if part in self._lag_s:
                self._lag_s[part] = 0.0

    @property
    def lag_s_max(self) -> float:
        """The longest lag of the owned partitions, 0 without any. It grows while nobody books or
        looks."""
        return max(self._lag_s.values()) + self._idle_s if self._lag_s else 0.0

    def render(self) -> bytes:
        """Everything, as Prometheus reads it (CONTENT_TYPE)."""
        for part, lag_s in self._lag_s.items():
            self.lag_seconds.labels(part).set(lag_s + self._idle_s)
        return generate_latest(self._registry)

    @property
    def _idle_s(self) -> float:
        return monotonic() - self._looked_at
