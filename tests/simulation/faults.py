"""Which faults a seed suffers from, and how a tear or a loss of power is drawn."""

import enum
import random

from hardware.simulated.tearing import Moment, Rest, Tear
from protocol.purse import Technology
from tests.simulation.network import FAIR, Weather


class Fault(enum.StrEnum):
    """Everything that can be done to a campus. The value is the name under which it is counted."""

    MESSAGE_LOSS = "message loss"
    MESSAGE_DUPLICATION = "message duplication"
    MESSAGE_REORDER = "message reorder"
    LOST_ACK = "lost ack"
    PARTITION = "partition"
    BROKER_RESTART = "broker restart"
    CRASH_IN_A_SALE = "crash in a sale"
    POWER_CUT = "power cut"
    RESTART = "program restart"
    SERVER_CRASH = "server crash"
    TORN_CARD = "torn card"
    CLONE = "clone"
    ROLL_BACK = "roll-back"
    FADED_SLOT = "faded slot"
    CLOCK_JUMP = "clock jump"
    CLOCK_LOST = "clock lost"
    STALE_RESTORE = "stale server restore"
    SILENT_TILL = "till silent for 30 days"
    RE_IMAGE = "re-imaged till"
    DISK_FULL = "disk full"
    DISK_FAULT = "disk fault"
    LINGERING_CARD = "lingering card"
    FLICKERING_CARD = "flickering card"
    REPLACED_CARD = "replaced card"
    FORGED_CARD = "forged card"
    UNREADABLE_CARD = "unreadable card"
    MISCOUNTED_DRAWER = "miscounted drawer"


FAULTS_MIN = 4
IN_CHANCE = 0.6


def swarm(rng: random.Random) -> frozenset[Fault]:
    """The kinds of one seed: each one in or out, so that no kind always hides behind another."""
    chosen = {fault for fault in Fault if rng.random() < IN_CHANCE}
    left = sorted(set(Fault) - chosen)
    while len(chosen) < FAULTS_MIN:
        chosen.add(left.pop(rng.randrange(len(left))))
    return frozenset(chosen)


def weather(rng: random.Random, faults: frozenset[Fault]) -> Weather:
    """The network for some hours."""
    if rng.random() < 0.25:
        return FAIR
    return Weather(
        lost=rng.choice((20, 100, 300)) if Fault.MESSAGE_LOSS in faults else 0,
        doubled=rng.choice((20, 100, 300)) if Fault.MESSAGE_DUPLICATION in faults else 0,
        reordered=rng.choice((50, 200)) if Fault.MESSAGE_REORDER in faults else 0,
        acks_lost=rng.choice((50, 300)) if Fault.LOST_ACK in faults else 0,
        delay_ms_max=rng.choice((0, 200, 5_000)),
    )


def tear_of_read(rng: random.Random, technology: Technology) -> Tear:
    """A card taken away while it is read."""
    return _tear(rng, technology, 20)


def tear_of_write(rng: random.Random, technology: Technology) -> Tear:
    """A card taken away while it is written: most often around the commit, where it matters most."""
    return _tear(rng, technology, 6 if technology is Technology.DESFIRE else 8)


def _tear(rng: random.Random, technology: Technology, exchanges: int) -> Tear:
    at = rng.randint(1, exchanges)
    moments = [Moment.BEFORE, Moment.AFTER]
    if technology is Technology.CLASSIC:
        moments.append(Moment.DURING)
    moment = rng.choice(moments)
    if moment is not Moment.DURING:
        return Tear(at, moment)
    return Tear(at, moment, rng.randrange(16), rng.choice((0xFF, 0x81, 0x10, 0x00)), rng.choice(list(Rest)))
