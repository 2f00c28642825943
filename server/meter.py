"""Counts what this process does. Labels have few values: kinds of replies, never terminals or cards."""

import enum
import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from protocol.ids import Seq, Tno

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class BatchReply(enum.StrEnum):
    """What a batch was answered with."""

    ACK = "ack"
    WANT = "want"
    REFUSED = "refused"
    NONE = "none"
    """It was no batch of the terminal's chain."""


class Meter:
    """The figures of one process, with a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.told: dict[Tno, Seq] = {}
        """How many entries each chain said it has, at its newest hello to this process."""
        self._entries = Counter("fanka_entries_taken", "Journal entries kept", registry=self._registry)
        self._batches = Counter("fanka_batches", "Batches by reply", ["reply"], registry=self._registry)
        for reply in BatchReply:
            self._batches.labels(reply)
        self._took = Histogram(
            "fanka_ingest_seconds", "From a batch to its commit", buckets=_SECONDS, registry=self._registry
        )
        built = {"version": version("fanka"), "python": platform.python_version()}
        Gauge("fanka_build", "What runs here", list(built), registry=self._registry).labels(**built).set(1)

    def batch(self, reply: BatchReply, entries: int, seconds: float) -> None:
        """A batch was taken in and committed."""
        self._batches.labels(reply).inc()
        self._entries.inc(entries)
        self._took.observe(seconds)

    def hello(self, tno: Tno, seq: Seq) -> None:
        """A terminal says how far its journal goes; every one does whenever it connects, and after our start."""
        self.told[tno] = seq

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
