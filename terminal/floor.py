"""The counter with its people: sells, or is practised at. Whatever is typed, pressed or held to the reader comes here.

                  +-- Till ------- journal, card, server
Floor --either--> |
                  +-- Practice --- nothing of these (`terminal/training.py`)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hardware.ports import CardChannel
from terminal.commands import Export, Typed
from terminal.face import Face
from terminal.floor_commands import Pretend, Speak, Train, Trial
from terminal.glance import Glance
from terminal.languages import NoSuchLanguage, Spoken
from terminal.shell import Shell
from terminal.status import Status
from terminal.theme import Theme
from terminal.till import Till
from terminal.training import Practice, is_idle
from terminal.views import View


class Gate:
    """Implements `Face`: while it is shut, pictures wait behind it, and the newest is shown when it opens."""

    def __init__(self, face: Face) -> None:
        self._face, self._shut = face, False
        self._newest: View | None = None

    def shut(self) -> None:
        """Somebody else shows pictures now."""
        self._shut = True

    def open(self) -> None:
        """What was shown last is seen again, and what comes."""
        self._shut = False
        if self._newest is not None:
            self._face.show(self._newest)

    def show(self, view: View) -> None:
        """The picture has changed."""
        self._newest = view
        if not self._shut:
            self._face.show(view)

    def say(self, text: str) -> None:
        """An answer, whoever shows pictures."""
        self._face.say(text)

    def note(self, event: str, /, **facts: str | int) -> None:
        """Something happened."""
        self._face.note(event, **facts)


@dataclass(slots=True)
class Floor:
    """Implements the card thread's `Field`."""

    till: Till
    selling: Glance
    gate: Gate
    faces: Face
    words: Spoken
    begin: Callable[[], Awaitable[Practice]]
    """A new counter to practise at."""
    spoken: Callable[[str], Awaitable[None]]
    """Is told which language is spoken from now on."""
    paint: Callable[[Theme], Awaitable[None]]
    """Is told in which colours the screen is drawn from now on."""
    practice: Practice | None = None
    _field: Till | Practice | None = None
    """Who was told of the card that lies there."""

    @property
    def glance(self) -> Glance:
        """What a screen must know of the counter that is worked at."""
        return self.practice.glance if self.practice else self.selling

    def status(self) -> Status:
        """How the terminal is. Raises JournalBroken while the disk fails."""
        return self.practice.status() if self.practice else self.till.gauges.status()

    async def do(self, command: Typed) -> None:
        """Somebody typed or pressed something."""
        match command:
            case Speak(language):
                await self._speak(language)
            case Train(on):
                await (self._begin() if on else self._end())
            case Pretend(trial):
                await self._pretend(trial)
            case Export():
                await self.till.do(command)
            case _:
                await (self.practice.do(command) if self.practice else self.till.do(command))

    async def tick(self) -> None:
        """Time passed."""
        await self.till.tick()
        if self.practice is not None:
            await self.practice.till.tick()

    async def card_arrived(self, channel: CardChannel) -> None:
        """A card came into the field; in training nobody speaks to it."""
        practice = self.practice
        self._field = practice or self.till
        if practice is not None:
            await practice.arrive(Trial.PAYS)
        else:
            await self.till.card_arrived(channel)

    async def card_left(self) -> None:
        """The field is empty."""
        told, self._field = self._field, None
        if isinstance(told, Practice):
            await told.till.card_left()
        elif told is not None:
            await told.card_left()

    async def several_cards(self, *, there: bool) -> None:
        """More than one card is in the field; in training they are nobody's."""
        if self.practice is None or not there:
            await self.till.several_cards(there=there)

    async def reader_changed(self, fault: str) -> None:
        """The reader stopped answering, or answers again: that is true in training, too."""
        await self.till.reader_changed(fault)

    async def _begin(self) -> None:
        async def take(_: Shell) -> None:
            if self.practice is not None or self._field is not None or not is_idle(self.till):
                return self.faces.say(self.words["training.not_now"])
            self.practice = await self.begin()
            self.gate.shut()
            return self.faces.say(self.words["training.begun"])

        await self.till.turn(take)
        await self._show()

    async def _end(self) -> None:
        practice = self.practice
        if practice is None:
            return self.faces.say(self.words["training.only"])

        async def take(_: Shell) -> None:
            if self._field is not None or not is_idle(practice.till):
                return self.faces.say(self.words["training.not_now"])
            self.practice = None
            return None

        await practice.till.turn(take)
        if self.practice is None:
            self.gate.open()
            self.faces.say(self.words["training.over"])
        return None

    async def _pretend(self, trial: Trial) -> None:
        if self.practice is None:
            return self.faces.say(self.words["training.only"])
        return await self.practice.pretend(trial)

    async def _speak(self, language: str) -> None:
        try:
            self.words.speak(language)
        except NoSuchLanguage as error:
            return self.faces.say(str(error))
        await self.spoken(language)
        return await self._show()

    async def _show(self) -> None:
        """Once more, in other words or of another counter."""

        async def nothing(_: Shell) -> None:
            """What is shown may have changed all the same."""

        await self.till.turn(nothing)
        if self.practice is not None:
            await self.practice.till.turn(nothing)
