"""The card reader that the configuration names."""

from contextlib import AbstractContextManager

from hardware.ports import CardReader
from hardware.readers.pcsc import PcscReader
from terminal.config import Config


def reader_of(config: Config) -> AbstractContextManager[CardReader]:
    """A PC/SC reader, or a PN532 where it has a path; let go of at the end of the context."""
    if not config.reader_path:
        return PcscReader(config.reader_name)
    from hardware.readers.pn532 import Pn532Reader  # nfcpy and libusb are loaded only where they are used

    return Pn532Reader(config.reader_path)
