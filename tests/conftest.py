"""Real stacks for tests. A private pcscd per process, because libpcsclite reads its address once; a broker per test."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from hardware.simulated.pcscd import PrivatePcscd
from tests.brokers import OwnBroker

settings.register_profile("fanka", deadline=None)
settings.load_profile("fanka")  # a busy machine is not a bug

gc.set_threshold(100_000, 50, 100)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: looking for rubbish in it again and again took a sixth of all time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A worker takes file by file, the long ones first: what is left at the end is short."""
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in ("integration", "seeds"))}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """A PC/SC daemon with two virtual readers; `VirtualSlot(pcscd.ports[i])` is the field of `reader_names[i]`."""
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory, PrivatePcscd(Path(directory), 2) as daemon:
        os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket_path)
        yield daemon


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[OwnBroker]:
    """A running Mosquitto on a port of its own that lets in some terminals."""
    with OwnBroker(tmp_path / "broker", ["till-1", "till-2", "till-01", "till-02", "till-07"]) as broker:
        yield broker
