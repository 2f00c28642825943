"""A terminal that is recorded: `python -m tests.crash.terminal_child FOLDER kill|quit PART SALES CONTROL`.

The shipping program (`terminal.app.run`) with cards on a simulated reader. What it says goes to standard output as
`--json` says it; a cashier who reads it types and taps. The reader tells there when a card is about to be written. The
first part begins with its enrolment; `kill` ends one by SIGKILL right after a sale.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from io import RawIOBase
from pathlib import Path
from typing import Any, Final

from hardware.cards.issue import NewCard, personalise
from hardware.ports import CardChannel
from hardware.simulated.reader import SimulatedReader
from protocol.ids import CardNo, Counter, Epoch, Generation, LoadSeq, Seq, SiteId, TerminalId, Tno
from protocol.load_record import sign_load
from protocol.messages import Grant, sign
from protocol.money import Cents
from protocol.purse import CardClass, Identity, LoadRecord, Mark, Purse, PurseChange, Right, Technology
from protocol.signing import VerifyKey, to_base64url
from terminal.app import run
from terminal.config import read_config
from terminal.console import Console
from terminal.enrol import new_key
from terminal.identity import save_grant
from terminal.languages import Spoken
from tests.crash import controls
from tests.crash.promises import CARD_WRITE
from tests.crash.story import Event
from tests.hardware.card_bench import KEYS, OFFICE, STATION, Bench, Card, blank
from tests.protocol.samples import LOAD_KEY, NOON, SERVER_KEY
from tests.terminal.journals import TRUST

LOADED_CENTS: Final = Cents(50_000)
WAIT_S: Final = 15.0
TAKEN_AWAY_S: Final = 0.05
"""So long the terminal sees no card between two customers."""
_FIRST_CARD: Final = 1_000
_UID: Final = bytes.fromhex("04a1b2c3")
"""How the UIDs of all cards begin; what follows is the number."""
_WRITING: Final = (b"\xff\xd6", b"\x90\xc7")
"""Commands that leave another card: a block of a Classic card, the end of a DESFire card's transaction."""


def main() -> None:
    """Play one part of the story; an empty CONTROL plants nothing."""
    folder, end, number, sales = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    controls.plant_in_terminal(sys.argv[5])
    if number == 1:
        enrol(folder / "disk" / "data")
    asyncio.run(Cashier(folder, number, sales).work(dies=end == "kill"))


def settings_file(folder: Path) -> Path:
    """A configuration without a broker."""
    path = folder / "terminal.toml"
    debit = to_base64url(KEYS.debit)
    path.write_text(f'directory = "disk/data"\nmerchant = "m1"\n[[card_keys]]\nkey_set = 1\ndebit = "{debit}"\n')
    path.chmod(0o600)
    return path


def enrol(directory: Path) -> None:
    """Journal and identity files, as enrolment leaves them."""
    save_grant(directory, grant_for(new_key(directory)), TRUST)
    say({"event": "enrolled"})


def grant_for(public: VerifyKey) -> bytes:
    """The server's answer to whoever holds this key."""
    grant = Grant(SiteId("north-campus"), TerminalId("till-07"), Epoch(1), Tno(41), to_base64url(public.raw), NOON)
    return sign(grant, SERVER_KEY)


def say(event: Event) -> None:
    """One line of standard output."""
    os.write(1, json.dumps(event).encode() + b"\n")


class Said(RawIOBase):
    """Standard output, and whoever listens."""

    def __init__(self, hear: Callable[[Event], None]) -> None:
        self._hear = hear

    def write(self, line: Any, /) -> int:
        done = os.write(1, line)
        self._hear(json.loads(line))
        return done


class _Watched:
    """A card's channel that tells once when the card is about to be written: before it is."""

    def __init__(self, channel: CardChannel) -> None:
        self.uid, self.technology = channel.uid, channel.technology
        self._channel, self._told = channel, False

    def transmit(self, apdu: bytes) -> bytes:
        """Pass an exchange on."""
        if apdu[:2] in _WRITING and not self._told:
            self._told = True
            say({"event": CARD_WRITE, "card": _FIRST_CARD + int.from_bytes(self.uid[len(_UID) :])})
        return self._channel.transmit(apdu)


class WatchedReader:
    """The simulated reader, all of whose cards are watched."""

    def __init__(self, reader: SimulatedReader) -> None:
        self._reader = reader

    def wait_for_card(self, timeout_s: float) -> CardChannel | None:
        """As the reader does."""
        channel = self._reader.wait_for_card(timeout_s)
        return _Watched(channel) if channel else None

    def wait_until_absent(self, timeout_s: float) -> bool:
        """As the reader does."""
        return self._reader.wait_until_absent(timeout_s)


class Cashier:
    """Reads what the terminal shows, types, and puts cards on the reader."""

    def __init__(self, folder: Path, number: int, sales: int) -> None:
        self._config, self._number = read_config(folder / "terminal.toml"), number
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._reader = SimulatedReader()
        self._cards = [card_numbered(100 * number + index) for index in range(sales)]
        self._keyboard, self._keys = os.pipe()

    async def work(self, *, dies: bool) -> None:
        """A morning's sales; then the end."""
        console = Console(Spoken("en"), Said(self._events.put_nowait), as_json=True)  # type: ignore[arg-type]
        reader = WatchedReader(self._reader)
        program = asyncio.create_task(run(self._config, Spoken("en"), console, self._keyboard, reader))
        await self._wait("view")
        if self._number == 1:
            self._type("shift open Wang 100")
            await self._wait("entry", kind="shift_opened")
        for index in range(len(self._cards)):
            await self._sell(index)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        self._type("quit")
        await program

    async def _sell(self, index: int) -> None:
        self._type(f"ring {1 + index % 3}.{index:02}")
        if index % 7 == 6:
            self._type("cash")
            await self._wait("handed_over")
            return
        self._type("pay")
        await self._wait("view", phase="awaiting_card")
        self._reader.place(self._cards[index])
        await self._wait("handed_over")
        self._reader.take_away()
        await asyncio.sleep(TAKEN_AWAY_S)

    def _type(self, line: str) -> None:
        os.write(self._keys, line.encode() + b"\n")

    async def _wait(self, event: str, **members: object) -> None:
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self._events.get()
                if found["event"] == event and all(found[name] == wanted for name, wanted in members.items()):
                    return


def card_numbered(number: int) -> Card:
    """A card with money on it that the server signed for; every other one is of the other technology."""
    technology = (Technology.DESFIRE, Technology.CLASSIC)[number % 2]
    card = blank(technology, _UID + number.to_bytes(3))
    reader = SimulatedReader()
    reader.place(card)
    channel = reader.wait_for_card(0)
    assert channel is not None
    who = Identity(CardNo(_FIRST_CARD + number), Generation(1), CardClass.STUDENT, b"verifier")
    personalise(channel, OFFICE, NewCard(1, who, Purse(Counter(0), Cents(0))))
    station = Bench(card, reader).tap(STATION)
    before = station.read()
    assert before.purse is not None
    signed = sign_load(LoadRecord(*who.key, LoadSeq(1), LOADED_CENTS), LOAD_KEY)
    after = replace(before.purse.stepped(Mark(Tno(900), Seq(1)), main_cents=LOADED_CENTS), load_seq=LoadSeq(1))
    if technology is Technology.CLASSIC:
        after = replace(after, load_copy=1 - before.purse.load_copy)
    station.write(PurseChange(before, after, Right.CREDIT, signed))
    reader.take_away()
    return card


if __name__ == "__main__":
    main()
