"""The terminal program, put together. Read this first, then `terminal/sale.py`.

    reader -- CardThread --+                      +-- CardPort ------ card
    keys ---- Console -----+--> Till --> Shell ---+-- JournalStore -- disk
    time ---- ticks -------+      one at a time   +-- Lists <-- PolicyStore <-- SyncLink <--> broker

Whoever comes in waits for the turn before (`terminal/till.py`). The shell lets the sale machine decide and carries its
effects out. Only the journal and the card are needed to sell: the line to the server may be gone for ever.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from hardware.peripherals.bell import Bell, Both
from hardware.ports import CardReader, Indicator
from protocol.instants import UtcMs
from protocol.journal import read_entry
from protocol.state import Days
from terminal.card_look import look
from terminal.card_port import CardPort
from terminal.card_reader import reader_of
from terminal.card_thread import CardThread
from terminal.claim import validity
from terminal.clerk import Clerk, Rights
from terminal.clock import ChipWatch, MachineClock, TerminalClock
from terminal.config import Config, May
from terminal.console import Console, Lines, obey, read_typed_file
from terminal.derived import from_snapshot
from terminal.face import Face, Faces
from terminal.floor import Floor, Gate
from terminal.gauges import Gauges
from terminal.glance import Glance
from terminal.identity import JOURNAL_FILE, Identity, IdentityError, load_identity, save_trust
from terminal.journal_copy import JournalCopy, name_of
from terminal.journal_space import JournalSettings
from terminal.journal_store import JournalStore
from terminal.languages import Spoken
from terminal.mqtt_line import TlsUnusable
from terminal.news import News, chip_stepped, hooks_of, switch_prices, with_time_asked
from terminal.office import CardOffice
from terminal.offline import Offline, OfflineCause
from terminal.policy_store import PolicyStore
from terminal.ports import JournalBroken, JournalDamaged
from terminal.post import Post
from terminal.preferences import Choices, painted
from terminal.questions import Questions
from terminal.renewal import CertificateKeeper
from terminal.sdl import prepare_sdl
from terminal.server_http import ServerAt, ask_time
from terminal.shell import Shell
from terminal.status import Outfit
from terminal.sync_link import SyncLink
from terminal.till import Till
from terminal.timekeeper import Timebase, at_boot
from terminal.training import Practice, begin_practice
from terminal.views import Words

if TYPE_CHECKING:
    from terminal.screen import Screen
    from terminal.speaker import Speaker

_log = logging.getLogger(__name__)

TICK_S = 0.2


async def run(
    config: Config, words: Spoken, console: Console, keyboard: int, reader: CardReader | None = None, first: str = ""
) -> None:
    """Sell until `quit`, SIGTERM or SIGINT, then end in order. `keyboard` is a file descriptor with commands.

    `reader`: another one than the configuration names. `first`: a command that counts as typed before all others.

    Raises IdentityError, JournalError and OSError where only a technician can help; the text says how.
    """
    async with AsyncExitStack() as stack:
        identity = load_identity(config.directory, config.journal_keys)
        grant, trust, may = identity.grant, identity.trust, config.may
        journal = await JournalStore.open(JournalSettings(config.directory / JOURNAL_FILE), identity)
        stack.push_async_callback(journal.close)
        lists = config.directory / "lists"
        policy = PolicyStore(lists, grant.site, trust, takes_loads=May.LOAD in may)
        clock = TerminalClock(MachineClock(), await _known_time(config, journal, policy))
        in_sam = config.card_keys.in_sam
        stack.callback(config.card_keys.close)
        thread = CardThread(reader or stack.enter_context(reader_of(config)), in_sam.sam.version if in_sam else None)
        stack.callback(thread.close)

        cards = CardPort(config.card_keys, thread.run, os.urandom)
        speaker = _speaker(config)
        screen = _screen(config, words, speaker)
        faces: Face = console if screen is None else Faces(console, screen)
        news, gate = News(faces), Gate(faces)
        build = f"fanka {version('fanka')}"
        post = Post(grant.tno, config.merchant, config.campus, trust.load, grant.at, build, grant.tid, trust.ack)
        shell = Shell(
            post, journal, cards, policy.active, clock.now, on_appended=news.appended, on_hand_over=news.handed_over
        )
        gauges = Gauges(grant, journal, shell, clock.now)
        gauges.outfit = _outfit(config, identity, build)
        keys, key_set = config.card_keys, config.key_set_new
        office = CardOffice(keys, key_set, thread.run, link=config.link) if May.OFFICE in may else None
        rights = Rights(May.LOAD in may, May.TOPUP in may, May.REFUND in may, May.OVERRIDE in may)
        clerk = Clerk(
            office, rights, config.campus, words, gate, clock.now, gauges.status, journal.export, read_typed_file
        )
        heard: Indicator = Bell(sys.stderr.buffer) if speaker is None else Both(Bell(sys.stderr.buffer), speaker)
        indicator: Indicator = Both(heard, thread)
        read_out = partial(look, run=thread.run, keys=keys, key_set_new=key_set, load_key=trust.load, words=words)
        till = Till(shell, cards, clerk, gauges, config.campus, words, gate, indicator, clock.now, read_out)
        floor = _floor(config, post, till, gate, faces, heard, words, screen)

        await shell.start(from_snapshot(journal.snapshot.state) if journal.snapshot else None)
        if journal.acked is not None:
            shell.acked(journal.acked.seq, journal.ack_jws.decode())
            gauges.acked_at = journal.acked.at
        await switch_prices(till, policy)
        news.link = gauges.link = _link(config, identity, journal, policy, till, clock)
        shell.server = Questions(news.link, grant) if news.link else None

        stop = asyncio.Event()
        chip = ChipWatch(MachineClock()) if config.clock_chip else None
        works = [
            thread.watch(floor),
            _tick(floor, chip, policy),
            _verify(journal, gauges),
            _type(keyboard, first, console, words, floor, stop),
        ]
        if screen is not None:
            works.append(screen.run(floor))
        if config.server_url and config.line is not None:
            works.append(_keeper(config, identity, clock, gauges).run())
        if config.second_medium is not None:
            news.copy = gauges.copy = JournalCopy(journal, config.second_medium, name_of(grant))
        works += [more.run() for more in (news.link, news.copy) if more is not None]
        await _work(works, till, stop)


def _floor(
    config: Config,
    post: Post,
    till: Till,
    gate: Gate,
    faces: Face,
    heard: Indicator,
    words: Spoken,
    screen: "Screen | None",
) -> Floor:
    """The counter, and another one to practise at, which is given nothing of the real one's journal, card and line."""
    shell, clerk, choices = till.shell, till.clerk, Choices(config.directory)

    def practise() -> Awaitable[Practice]:
        return begin_practice(post, shell.lists, clerk, till.gauges, faces, heard, config.campus)

    async def spoken(language: str) -> None:
        if screen is not None:
            screen.speak(language)
        await choices.speak(language)

    selling = Glance(shell, clerk.rights, config.campus, clerk.now)
    return Floor(till, selling, gate, faces, words, practise, spoken, choices.paint)


def _speaker(config: Config) -> "Speaker | None":
    """The sounds of a terminal with a screen."""
    if config.screen is None:
        return None
    prepare_sdl()
    from terminal.speaker import Speaker

    return Speaker(config.screen.volume)


def _screen(config: Config, words: Spoken, speaker: "Speaker | None") -> "Screen | None":
    """The panel or window that the settings ask for; where there is none to be had, the console goes on alone."""
    if config.screen is None or speaker is None:
        return None
    from terminal.screen import Screen
    from terminal.window import ScreenUnusable

    try:
        settings = painted(config.screen, config.directory)
        return Screen(settings, words, config.campus, language=words.language, warn=speaker.warn)
    except ScreenUnusable as error:
        _log.error("no screen: %s", error)
        return None


async def _work(works: Sequence[Coroutine[object, object, None]], till: Till, stop: asyncio.Event) -> None:
    """Everything at once until it is told to stop; whatever has begun at the counter is ended first."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(work) for work in works]
            await stop.wait()
            await till.close()
            for task in running:
                task.cancel()
    except ExceptionGroup as several:
        raise several.exceptions[0] from several


async def _tick(floor: Floor, chip: ChipWatch | None, policy: PolicyStore) -> None:
    till = floor.till
    while True:
        await floor.tick()
        await switch_prices(till, policy)
        was = chip.stepped() if chip else None
        if was is not None:
            await chip_stepped(till, was)
        await asyncio.sleep(TICK_S)


async def _verify(journal: JournalStore, gauges: Gauges) -> None:
    """The whole chain with every signature, while sales go on. Raises JournalDamaged."""
    try:
        async for checked in journal.verify_all():
            if checked.found is not None:
                raise JournalDamaged(checked.found)
            gauges.verified = checked.seq
    except JournalBroken as error:
        _log.warning("the journal could not be checked to its end: %s", error)


async def _type(keyboard: int, first: str, console: Console, words: Words, floor: Floor, stop: asyncio.Event) -> None:
    await obey(Lines(keyboard, first), console, words, floor.do, ends=os.isatty(keyboard))
    with suppress(JournalBroken):
        console.say(words["said.bye"].format(unsent=floor.till.gauges.status().unsent))
    stop.set()


async def _known_time(config: Config, journal: JournalStore, policy: PolicyStore) -> Timebase:
    """The newest instant that is known to have passed (SPEC, "Time")."""
    machine, newest = MachineClock(), await journal.rows(journal.tip.seq, 1)
    return at_boot(
        machine.mono_ms(),
        built_at=_built_at(),
        last_entry_at=read_entry(newest[0]).entry.at if newest else UtcMs(0),
        server_said_at=max(policy.active.as_of, journal.acked.at if journal.acked else UtcMs(0)),
        clock_chip=machine.utc_ms() if config.clock_chip else None,
    )


def _built_at() -> UtcMs:
    """When this program was installed: no terminal has sold before."""
    return UtcMs(int(Path(__file__).stat().st_mtime * 1_000))


def _outfit(config: Config, identity: Identity, build: str) -> Outfit:
    """What stays as it is until the next start, or until the certificate is renewed."""
    ends, keys = UtcMs(0), config.card_keys
    if config.line is not None:
        with suppress(IdentityError):  # the line says what is wrong with it
            ends = validity(config.directory)[1]
    site, epoch = identity.grant.site, identity.grant.epoch
    in_sam = keys.in_sam is not None
    return Outfit(
        build=build, site=site, epoch=epoch, key_sets=tuple(keys.key_sets), in_sam=in_sam, certificate_ends=ends
    )


def _keeper(config: Config, identity: Identity, clock: TerminalClock, gauges: Gauges) -> CertificateKeeper:
    link = gauges.link

    def renewed() -> None:
        gauges.outfit = _outfit(config, identity, gauges.outfit.build)
        if link is None:
            _log.warning("another certificate lies there; start the terminal again to connect with it")
        else:
            link.renewed()

    server, unusable = ServerAt(config.server_url), link is None
    return CertificateKeeper(config.directory, server, identity, clock.now, renewed, unusable=unusable)


def _link(
    config: Config, identity: Identity, journal: JournalStore, policy: PolicyStore, till: Till, clock: TerminalClock
) -> SyncLink | None:
    """The line to the server. Whatever is wrong with it, selling goes on."""
    if config.line is None:
        return None
    hooks, acked = hooks_of(till, clock, till.face), journal.ack_jws
    keep, days = partial(save_trust, config.directory), Days(config.campus.offset_min, config.campus.day_starts_min)
    hooks = replace(hooks, keep_trust=keep, card_sets=config.card_keys.key_sets, days=days)
    if config.server_url:
        server = ServerAt(config.server_url)
        hooks = with_time_asked(hooks, clock, lambda: asyncio.to_thread(ask_time, server, identity.trust))
    try:
        return SyncLink(config.line, identity, journal, policy, MachineClock(), newest_ack=acked, hooks=hooks)
    except TlsUnusable as error:
        _log.error("no line to the server: %s", error)
        till.gauges.no_link = Offline(OfflineCause.TLS, str(error))
        return None
