"""Named money sequences in the middle of a life: on its campus, server, ledger, network and time, between its faults.

A sequence comes at a random instant of a day, on cards and tills of its own, so that its outcome can be said to the
cent; the life's customers and faults go on while it is played. Two things wait until it is over, because a sequence
says itself when they happen: a restore of the server, and the paper that is entered after one. A card is replaced in
the evening of the first day, when all lines are up and before the life's own tills may fall silent for a month: its
rest waits for the word of all of them. The life's checkers look at the planted cards like at any other.
"""

import random
from typing import TYPE_CHECKING

from protocol.instants import HOUR_MS, MINUTE_MS
from protocol.purse import Technology
from tests.simulation.sequences import format as told
from tests.simulation.sequences.catalogue import SEQUENCES
from tests.simulation.sequences.play import Cast, Play, cast_for
from tests.simulation.sequences.tokens import TOKEN_SEQUENCES
from tests.simulation.server import MERCHANTS
from tests.simulation.till import Till

if TYPE_CHECKING:
    from tests.simulation.life import Life

SEQUENCES_PER_SEED, DAYS = 4, 3
OPEN_MS = 12 * HOUR_MS
BEGINS_BEFORE_MS = 11 * HOUR_MS
_TILLS, _STATIONS = 3, 2


def turns_of(seed: int) -> list[tuple[told.Sequence, Technology]]:
    """The sequences whose turn it is with a seed, and the technology of their cards: all of them, one after another.

    Beside them comes one of a token.
    """
    chosen: list[tuple[told.Sequence, Technology]] = []
    for number in range(seed * SEQUENCES_PER_SEED, (seed + 1) * SEQUENCES_PER_SEED):
        turn, place = divmod(number, len(SEQUENCES))
        technologies = sorted(SEQUENCES[place].on)
        chosen.append((SEQUENCES[place], technologies[turn % len(technologies)]))
    return [*chosen, (TOKEN_SEQUENCES[seed % len(TOKEN_SEQUENCES)], Technology.TOKEN)]


class Stage:
    """Where the sequences of one life are played."""

    def __init__(self, life: "Life") -> None:
        self._life, self._campus = life, life.campus
        self._rng = random.Random(f"stage {life.seed}")
        self.playing = ""
        self.played: list[str] = []
        self._tills: list[Till] = []
        self._stations: list[Till] = []
        turns = turns_of(life.seed) if life.sequences is None else [(one, min(one.on)) for one in life.sequences]
        self._turns = sorted(((*self._instant_of(turn[0]), turn) for turn in turns), key=lambda planned: planned[:2])

    def _instant_of(self, sequence: told.Sequence) -> tuple[int, int]:
        """A day, and how long after its opening."""
        if _waits_for_all(sequence):
            return 0, OPEN_MS
        return self._rng.randrange(DAYS), self._rng.randrange(HOUR_MS, BEGINS_BEFORE_MS)

    def pass_day(self, day: int) -> None:
        """Let the open hours of a day pass, and play what is planned for it; that may take longer than the day."""
        opened = self._campus.timeline.now_ms
        turns = [planned for planned in self._turns if planned[0] == day]
        self._life.planned += [f"sequence: {sequence.name}" for _, _, (sequence, _) in turns]
        for _, at, (sequence, technology) in turns:
            if not self._life.happens(f"sequence: {sequence.name}"):
                continue
            self._campus.pass_time(max(0, opened + at - self._campus.timeline.now_ms))
            self._play(sequence, technology)
        self._campus.pass_time(max(0, opened + OPEN_MS - self._campus.timeline.now_ms))

    def _play(self, sequence: told.Sequence, technology: Technology) -> None:
        campus, server = self._campus, self._campus.server
        self.playing = sequence.name
        campus.tell("stage", f"plays: {sequence.name}")
        self._set_up()
        server.enter_paper()
        campus.sync(*(() if _waits_for_all(sequence) else (*self._tills, *self._stations)))
        cast = cast_for(sequence, campus, technology, tills=self._tills, stations=self._stations)
        self._note_damages(sequence, cast)
        play = Play(sequence, campus, cast)
        play.to_the_end()
        self._note_found(sequence, cast)
        self.playing = ""
        self.played.append(sequence.name)
        server.enter_paper()
        campus.pass_time(MINUTE_MS)

    def _set_up(self) -> None:
        for number in range(len(self._tills), _TILLS):
            self._tills.append(self._campus.add_till(f"stage-{number + 1}", MERCHANTS[number % len(MERCHANTS)]))
        for number in range(len(self._stations), _STATIONS):
            self._stations.append(self._campus.add_till(f"stage-s{number + 1}", MERCHANTS[0], can_load=True))

    def _note_damages(self, sequence: told.Sequence, cast: Cast) -> None:
        """What the sequence will do to its cards with other hands than a till's."""
        planted = self._life.checks.planted
        for step in sequence.steps:
            match step:
                case told.Copy(card):
                    planted.cloned.add(cast.cards[card.name].key)
                case told.Forget(card):
                    planted.faded.add(cast.cards[card.name].key)
                case told.Replace(card):
                    planted.replaced.add(cast.cards[card.name].key)
                case told.RestoreServer():
                    self._life.restored = True
                case told.CloseShift(till, error) | told.CountDrawer(till, error):
                    planted.miscounted[cast.tills[till.name].name] += error.cents(cast.amounts)
                case _:
                    pass

    def _note_found(self, sequence: told.Sequence, cast: Cast) -> None:
        """It was checked that just these were found; from now on the last proof may find them as well."""
        checked = [step.expect for step in sequence.steps if isinstance(step, told.Check)]
        for expect in (*checked, sequence.end):
            for found in expect.classes:
                self._life.checks.count(f"planted {found.cls}", 1, 1)
                if found.card:
                    self._life.checks.planted.told.add((cast.cards[found.card.name].key, found.cls))


def _waits_for_all(sequence: told.Sequence) -> bool:
    return any(isinstance(step, told.Replace) for step in sequence.steps)
