"""A small campus of real programs in one directory: broker, server, PC/SC daemon, terminals, virtual cards."""

import base64
import hashlib
import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from hardware.cards.keys import CardKeys, MasterKeys
from hardware.cards.open_card import open_card
from hardware.simulated.classic_card import VirtualClassic, blank_classic
from hardware.simulated.desfire_card import VirtualDesfire
from hardware.simulated.desfire_state import Chip, blank_desfire
from hardware.simulated.ntag424 import VirtualNtag424
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.plain_card import VirtualPlain
from hardware.simulated.pn532 import FakePn532
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.ultralight_aes import VirtualUltralightAes
from hardware.simulated.vpcd import VirtualSlot
from protocol.journal import Sealed, read_entry
from protocol.purse import CardRead, Technology
from server.broker.authority import open_authority
from server.broker.configuration import BrokerSettings
from server.broker.process import Broker, free_port
from server.broker.site import BrokerSite
from terminal.claim import enrol
from terminal.identity import Identity
from terminal.server_http import ServerAt
from tests.brokers import now
from tests.integration.fuse import Card, Fuse
from tests.integration.programs import Event, ProgramFailed, ServerProgram, TerminalProgram

SITE, MERCHANT = "north-campus", "canteen-1"

Token = VirtualPlain | VirtualNtag424 | VirtualUltralightAes
"""What has no purse."""
PCSCD_LOOKS_S = 0.6
"""pcscd looks at its readers every 400 ms; a card away for less was never away."""
SETTLED_PHASES = {"done", "not_done", "tap_again", "pin_entry", "repeat_asked", "paid_earlier"}
"""What a tap ends with."""


@dataclass
class Till:
    """A terminal, its reader's field, and its files."""

    tid: str
    tno: int
    directory: Path
    program: TerminalProgram
    slot: VirtualSlot | FakePn532
    gone_at: float = 0.0
    """When the terminal last saw the field empty, by `time.monotonic`."""

    def put_on(self, card: Card | Fuse | Token) -> int:
        """Put a card on the reader; the place in the events before it."""
        mark = self.program.mark()
        card.field.put_back()
        self.slot.insert(card)
        return mark

    def tap(self, card: Card | Fuse | Token) -> Event:
        """Hold a card to the reader until the terminal has decided, and take it away; what was shown."""
        view = self.hold(card)
        self.away()
        return view

    def hold(self, card: Card | Fuse | Token) -> Event:
        """Hold a card to the reader until the terminal has decided; what it shows then.

        Whoever taps on purpose has taken the card away: sooner than half a second later it counts as never gone.
        """
        time.sleep(max(0.0, self.gone_at + PCSCD_LOOKS_S - time.monotonic()))
        return self.program.wait("view", since=self.put_on(card), phase=SETTLED_PHASES)

    def away(self) -> None:
        """The field is empty, whether the card was taken or tore itself away."""
        self.slot.remove()
        newest = max(0, self.program.mark() - 1)
        self.program.wait_for(lambda _: not self.card_there, since=newest, what="an empty field")
        self.gone_at = time.monotonic()

    def comes_back(self) -> None:
        """The program died with a card in the field: the card is taken away, and the program starts again."""
        wait_until(lambda: not self.program.running, "the end of the terminal")
        self.slot.remove()
        time.sleep(PCSCD_LOOKS_S)
        self.program.start()

    @property
    def card_there(self) -> bool:
        """Whether the terminal sees a card."""
        newest = next((event for event in reversed(self.program.events) if event["event"] == "card"), None)
        return newest is not None and newest["state"] == "arrived"

    def ring(self, cents: int) -> None:
        """Ring an amount and ask for the card."""
        self.program.type(f"ring {cents / 100:.2f}")
        self.program.wait("view", since=self.program.type("pay"), phase="awaiting_card")

    def sell(self, card: Card | Token, cents: int) -> Event:
        """A whole sale; what is on the screen at its end."""
        self.ring(cents)
        return self.tap(card)

    def entries(self) -> list[Sealed]:
        """The journal from the disk; the program must not run."""
        assert not self.program.running
        with closing(sqlite3.connect(self.directory / "data" / "journal.db")) as db:
            return [read_entry(jws) for (jws,) in db.execute("SELECT jws FROM entry ORDER BY seq")]


@dataclass
class Campus:
    """Everything, from `open` to `close`."""

    directory: Path
    reader_count: int = 1
    clock_chip: bool = True
    """Whether its terminals have a clock of their own."""
    keepalive_s: int = 30
    """How often its terminals show the broker that they are there."""
    lists_ms: int = 100
    database: str = ""
    """The database's URL; SQLite beside the server where there is none."""
    days_behind: int = 0
    """So many days the server's clock is behind, until `server.mend_clock`."""
    servers: int = 2
    """How many programs of the server the broker lets in."""
    tills: dict[str, Till] = field(default_factory=dict[str, Till])
    _stack: ExitStack = field(default_factory=ExitStack)
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    _second_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """Of the second of two people."""
    _codes: list[str] = field(default_factory=list[str])
    """Every claim code there was."""
    log_format: str = "text"
    _broker_port: int = field(default_factory=free_port)
    _card_keys: tuple[bytes, bytes, bytes] = field(
        default_factory=lambda: (os.urandom(16), os.urandom(16), os.urandom(16))
    )

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self) -> None:
        for name in ("pcscd", "server"):
            (self.directory / name).mkdir(parents=True)
        config, broker = self._server_config(), self.directory / "server" / "broker"
        prepared = subprocess.run(
            [sys.executable, "-I", "-m", "server", "broker", "--config", str(config)], capture_output=True, text=True
        )
        if prepared.returncode:
            raise ProgramFailed(prepared.stderr)
        self.broker = self._stack.enter_context(Broker(BrokerSettings(directory=broker, port=self._broker_port)))
        site = open_authority(self.directory / "server" / "data" / "authority", now(), may_create=False)
        self.site = BrokerSite(self.broker.settings, site)
        self.pcscd = self._stack.enter_context(PrivatePcscd(self.directory / "pcscd", self.reader_count))
        self.start_server(config)
        self.token_file.touch(0o600)
        self.token_file.write_text(self.token)
        self._http = self._stack.enter_context(httpx.Client(timeout=30))

    def start_server(self, config: Path) -> None:
        """Start what `server` is."""
        program = ServerProgram(self.directory / "server", config, days_behind=self.days_behind)
        self.server = self._stack.enter_context(program)

    def _server_config(self) -> Path:
        port = free_port()
        token, second = (hashlib.sha256(known.encode()).hexdigest() for known in (self.token, self._second_token))
        path = self.directory / "server" / "server.toml"
        path.write_text(
            f'data = "data"\nupkeep_every_s = 1\ndatabase = "{self.database}"\n'
            f"[http]\nport = {port}\n"
            f'[broker]\nhost = "127.0.0.1"\nport = {self._broker_port}\nservers = {self.servers}\n'
            f'[log]\nformat = "{self.log_format}"\nlevel = "{"debug" if self.log_format == "json" else "info"}"\n'
            f"[lists]\nlook_every_ms = {self.lists_ms}\n"
            f'[[operators]]\nname = "admin"\ntoken_sha256 = "{token}"\nroles = ["admin"]\n'
            f'[[operators]]\nname = "second"\ntoken_sha256 = "{second}"\nroles = ["finance"]\n'
        )
        return path

    # The server's desk --------------------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        """One request as an administrator; its JSON. Raises AssertionError for anything but success."""
        answer = self._http.request(
            method,
            f"{self.server.url}/api/1{path}",
            json=body,
            headers={"Authorization": f"Bearer {token or self.token}"},
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @property
    def token_file(self) -> Path:
        """Where a person finds the administrator's token."""
        return self.directory / "admin-token"

    @property
    def master_keys(self) -> MasterKeys:
        """The key set that its terminals hold."""
        return MasterKeys(1, *self._card_keys)

    def secrets(self) -> list[str]:
        """What may never stand in a log: the administrator's token, card keys, journal keys, the server's keys."""
        files = [*self.directory.glob("*/data/journal.key"), *self.directory.glob("server/data/keys/*.key")]
        keys = [text for key in self._card_keys for text in (_base64(key), key.hex())]
        tls = [path.read_text().partition("-----END")[0][-120:-20] for path in self.directory.glob("*/data/tls.pem")]
        return [
            self.token,
            self._second_token,
            *self._codes,
            *keys,
            *tls,
            *(path.read_text().strip() for path in files),
        ]

    def send_text(self, path: str, text: bytes) -> Any:
        """A file as plain text, as an administrator."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "text/plain"}
        answer = self._http.post(f"{self.server.url}/api/1{path}", content=text, headers=headers)
        assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
        return answer.json()

    def card(self, no: int) -> dict[str, Any]:
        """The newest plastic of a number as the ledger knows it."""
        found: dict[str, Any] = self.ask("GET", f"/cards/{no}")["plastics"][-1]
        return found

    def tip(self, till: Till) -> int:
        """How many entries of a terminal's present chain the server holds."""
        return int(self.ask("GET", f"/terminals/{till.tid}")["epochs"][-1]["tip"])

    def ledger(self) -> dict[str, Any]:
        """The trial balance."""
        found: dict[str, Any] = self.ask("GET", "/ledger/trial-balance")
        return found

    # Terminals ----------------------------------------------------------------------------------------------------

    def add_till(
        self,
        tid: str,
        reader: int,
        *,
        may: tuple[str, ...] = ("refund",),
        broker_port: int = 0,
        start: bool = True,
        site: str = SITE,
        spare: bool = False,
        pn532: bool = False,
        title: str = "",
        merchant: str = MERCHANT,
        screen: Mapping[str, str] | None = None,
    ) -> Till:
        """Register a terminal, grant it an epoch, configure it, start it. A spare has no merchant.

        `pn532`: it has a reader of its own, behind nfcpy, instead of one of pcscd's. `screen`: it has one, in this
        environment, can be photographed, and has somebody who presses its keys.
        """
        directory = self.directory / tid
        (directory / "data").mkdir(parents=True)
        can_load = bool({"load", "topup"} & set(may))
        rights = {"can_load": can_load, "can_issue": "office" in may}
        merchant = "" if spare else merchant
        particulars = {"site": site, "title": title or tid, "merchant": merchant, "spare": spare, **rights}
        if "proposed" in self.ask("PUT", f"/terminals/{tid}", particulars):
            self.ask("PUT", f"/terminals/{tid}", particulars, token=self._second_token)
        tno = self.enrol(tid, directory / "data").grant.tno
        line = directory / "pn532"
        named = f'kind = "pn532"\npath = "{line}"' if pn532 else f'name = "{self.pcscd.reader_names[reader]}"'
        config = self._terminal_config(directory, named, may, broker_port, merchant)
        if screen is not None:
            config.write_text(config.read_text() + "[screen]\n")
        program = TerminalProgram(directory, config, self.pcscd.socket_path, screen=screen)
        slot: VirtualSlot | FakePn532 = FakePn532(line) if pn532 else VirtualSlot(self.pcscd.ports[reader])
        self._stack.enter_context(slot)
        till = self.tills[tid] = Till(tid, tno, directory, program, slot)
        self._stack.callback(program.stop)
        if start:
            program.start()
        return till

    def enrol(self, tid: str, data: Path) -> Identity:
        """What a technician and the desk do with a registered terminal: a claim code, four words, a yes."""
        code = self.ask("POST", f"/terminals/{tid}/claims")["code"]
        self._codes += [code, code.replace("-", "")]

        def compare(said: str) -> None:
            (machine,) = self.ask("GET", "/enrolments")
            assert said.endswith(machine["words"])
            approve = f"/enrolments/{machine['number']}/approve", {"words": machine["words"]}
            if "proposed" in self.ask("POST", *approve):
                self.ask("POST", *approve, token=self._second_token)

        return enrol(data, ServerAt(self.server.url), code, "virtual", compare, time.sleep)

    def _terminal_config(
        self, directory: Path, reader: str, may: tuple[str, ...], broker_port: int, merchant: str
    ) -> Path:
        debit, credit, office = (_base64(key) for key in self._card_keys)
        chip, rights = str(self.clock_chip).lower(), ", ".join(f"{name!r}" for name in may)
        path = directory / "terminal.toml"
        path.touch(0o600)
        path.write_text(
            f'directory = "data"\nclock_chip = {chip}\nmerchant = "{merchant}"\nmay = [{rights}]\n'
            f"[reader]\n{reader}\n"
            f'[broker]\nhost = "127.0.0.1"\nport = {broker_port or self.broker.settings.port}\nreconnect_last_s = 1\n'
            f"keepalive_s = {self.keepalive_s}\n"
            f'[[card_keys]]\nkey_set = 1\ndebit = "{debit}"\ncredit = "{credit}"\noffice = "{office}"\n'
        )
        return path

    def wait_online(self, till: Till) -> None:
        """Until the server has confirmed everything that is in the till's journal now."""
        newest = max(event["seq"] for event in till.program.events if event["event"] == "entry")
        till.program.wait_for(
            lambda event: event["event"] == "acked" and event["seq"] >= newest, since=0, what=f"ack of {newest}"
        )

    def show(self, card: Card) -> CardRead:
        """What is on a card, read without any terminal."""
        reader = SimulatedReader()
        reader.place(card)
        channel = reader.wait_for_card(0)
        assert channel is not None
        found = open_card(channel, CardKeys([MasterKeys(1, self._card_keys[0])])).read()
        reader.take_away()
        return found

    def money_on(self, card: Card) -> int:
        """The main purse in cents."""
        purse = self.show(card).purse
        assert purse is not None
        return purse.main_cents

    # Cards --------------------------------------------------------------------------------------------------------

    def issue(self, office: Till, technology: Technology, cents: int, chip: Chip | None = None) -> tuple[int, Card]:
        """A new card with money on it: number and cash from the desk, plastic and load at the card office."""
        no = int(self.ask("POST", "/cards", {"technology": str(technology)})["numbers"][0])
        self.ask("POST", f"/cards/{no}/loads", {"id": f"desk-load-{no:06d}", "cents": cents})
        return no, self.make(office, no, technology, chip=chip)

    def make(self, office: Till, no: int, technology: Technology, pin: str = "", chip: Chip | None = None) -> Card:
        """Personalise a blank for a number and collect what waits for it, in one go."""
        card = blank(technology, chip)
        office.program.wait("view", since=office.program.type(f"replace {no} 1 student {pin}"), phase="office")
        mark = office.put_on(card)
        view = office.program.wait("view", since=mark, phase={"office_done", "office_failed"})
        if view["phase"] != "office_done":
            raise ProgramFailed(str(view))
        self.collect(office)
        office.away()
        return card

    def collect(self, office: Till) -> None:
        """`load` for the card that lies on the reader, again and again until the lists are there."""
        deadline = time.monotonic() + 20
        while True:
            view = office.program.wait("view", since=office.program.type("load"), phase={"done", "not_done"})
            if view["phase"] == "done":
                return
            if time.monotonic() > deadline:
                raise ProgramFailed(str(view))
            time.sleep(0.1)


def blank(technology: Technology, chip: Chip | None = None) -> Card:
    """A card as it comes from the factory; a DESFire of this generation, or of any."""
    uid = b"\x04" + secrets.token_bytes(6)
    if technology is Technology.CLASSIC:
        return VirtualClassic(blank_classic(uid))
    return VirtualDesfire(blank_desfire(uid, chip or secrets.choice(list(Chip))))


def wait_until(fits: Callable[[], bool], what: str, timeout_s: float = 60.0) -> None:
    """Look again and again. Raises ProgramFailed when it does not come true."""
    deadline = time.monotonic() + timeout_s
    while not fits():
        if time.monotonic() > deadline:
            raise ProgramFailed(f"waited for {what}")
        time.sleep(0.05)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
