"""The real PC/SC stack for tests: one private pcscd per process, because libpcsclite reads its address once."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.simulated.pcscd import PrivatePcscd


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    with tempfile.TemporaryDirectory(prefix="fanka-") as directory, PrivatePcscd(Path(directory), 2) as daemon:
        os.environ["PCSCLITE_CSOCK_NAME"] = str(daemon.socket_path)
        yield daemon
