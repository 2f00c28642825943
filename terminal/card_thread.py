"""The one thread that speaks to the card reader, and the loop that tells when a card comes and goes.

PC/SC and PN532 drivers block; so every call to reader or card is made in this thread, one after the other. While the
field is empty the thread waits in the driver; while a card lies there it looks up often enough to be lent out for
reading and writing that card. A driver that hangs in a call keeps nobody waiting (`hardware/readers/patience.py`).
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from hardware.ports import CardChannel, CardLeftField, CardReader, DeviceError, Indicator, SeveralCards, Signal
from hardware.readers.patience import DeviceThread, unheard

WAIT_FOR_CARD_S = 0.5
"""The longest wait in the driver for a card; the program's end waits as long."""
WAIT_UNTIL_ABSENT_S = 0.05
"""The longest wait in the driver for a card to leave: so long a cashier's key may wait."""
READER_RETRY_S = 1.0
FLICKER_S = 0.3
"""After this time a card is looked for again that was lost in a command, or of which there were several."""

T = TypeVar("T")


class Field(Protocol):
    """Who is told about cards. Each call ends before the next begins."""

    async def card_arrived(self, channel: CardChannel) -> None:
        """A card came into the field."""
        ...

    async def card_left(self) -> None:
        """The field is empty."""
        ...

    async def several_cards(self, *, there: bool) -> None:
        """More than one card is in the field, and none is read; or that is over."""
        ...

    async def reader_changed(self, fault: str) -> None:
        """The reader stopped answering, and why; or, with an empty text, it answers again."""
        ...


class CardThread:
    """Owns the thread from construction to `close`."""

    def __init__(self, reader: CardReader, ready: Callable[[], object] | None = None) -> None:
        """`ready` is called before a card is looked for; no card is taken while it raises a DeviceError."""
        self._reader, self._ready = reader, ready
        self._thread = DeviceThread("cards")
        self._next_look: asyncio.TimerHandle | None = None
        self._lost = False
        self._fault = ""
        self._several = False

    async def run(self, work: Callable[[], T]) -> T:
        """Do something with the card in this thread. Raises what it raises."""
        try:
            return await self._ask(work)
        except CardLeftField:
            self._lost = True
            raise
        except DeviceError as error:
            # In the middle of a command that is the same as a card that left: nobody knows whether it was made.
            self._lost = True
            raise CardLeftField(str(error)) from error

    def signal(self, signal: Signal) -> None:
        """Let the reader show and sound it when its turn comes, where it has lamps or a buzzer; nobody waits for it."""
        if isinstance(self._reader, Indicator):
            self._thread.submit(partial(self._reader.signal, signal), unheard)

    async def watch(self, field: Field) -> None:
        """Tell about every card that comes and goes, until cancelled. A reader that is gone is waited for."""
        while True:
            try:
                await self._one_card(field)
                await self._say(field, "")
            except SeveralCards:
                await self._tell_several(field, there=True)
                await asyncio.sleep(FLICKER_S)
            except DeviceError as error:
                await self._tell_several(field, there=False)
                await self._say(field, str(error) or type(error).__name__)
                await asyncio.sleep(READER_RETRY_S)

    def close(self) -> None:
        """Let the thread end with what it is doing."""
        self._thread.close()

    async def _one_card(self, field: Field) -> None:
        channel = await self._ask(self._next_card)
        await self._tell_several(field, there=False)
        if channel is None:
            return
        await self._say(field, "")
        self._lost = False
        await field.card_arrived(channel)
        try:
            absent = False
            while not (self._lost or absent):
                absent = await self._ask(lambda: self._reader.wait_until_absent(WAIT_UNTIL_ABSENT_S))
        finally:
            await field.card_left()
        if self._lost:
            await asyncio.sleep(FLICKER_S)

    def _next_card(self) -> CardChannel | None:
        if self._ready is not None:
            self._ready()
        return self._reader.wait_for_card(WAIT_FOR_CARD_S)

    async def _ask(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def told(result: T, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(_settle, answer, result, error)

        job = self._thread.submit(work, told)
        if self._next_look is None:
            self._look()
        try:
            return await answer
        except asyncio.CancelledError:
            self._thread.cancel(job)
            raise

    def _look(self) -> None:
        """See to it that no call of a driver takes too long, as long as somebody waits."""
        wait_s = self._thread.look()
        self._next_look = None if wait_s is None else asyncio.get_running_loop().call_later(wait_s, self._look)

    async def _tell_several(self, field: Field, *, there: bool) -> None:
        if there != self._several:
            self._several = there
            await field.several_cards(there=there)

    async def _say(self, field: Field, fault: str) -> None:
        if fault != self._fault:
            self._fault = fault
            await field.reader_changed(fault)


def _settle(answer: "asyncio.Future[T]", result: T, error: BaseException | None) -> None:
    if answer.done():  # who waited is gone
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
