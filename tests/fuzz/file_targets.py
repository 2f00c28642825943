"""What comes in files, on sticks, on paper and from whatever answers at an address."""

import sqlite3
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from protocol.canonical import NotCanonical, encode
from protocol.card_key_delivery import NotDelivered, RequestFile, deliver, read_delivery, read_request
from protocol.card_keys import NotKeys, read_part, read_tables, split, write_part, write_tables
from protocol.enrolment import CODE_ALPHABET, NotACode, read_code, shown_code
from protocol.journal import Tip
from protocol.messages import NotAMessage, sign
from protocol.money import format_cents, parse_cents
from protocol.sealing import NotOpened, public_of, seal, unseal
from protocol.settings import SettingsWrong, decode_settings
from protocol.tampering import ChainId, Report, examine
from server.broker.certificates import NotARequest, new_key, request_pem
from server.broker.certificates import read_request as read_certificate_request
from server.config import Settings
from server.errors import Conflict, Invalid
from server.importing.rules import FileWrong, OldCards, read_old_cards
from server.ingest.journal_files import TakenFile, take_journal
from server.ingest.rules import Ack
from terminal.batch_list import ListWrong, read_list
from terminal.leaf_pages import rows_in
from terminal.log_frames import Log, read_log
from terminal.server_http import Problem, read_answer
from tests.fuzz.target import Broken, Target, of_text
from tests.protocol import samples
from tests.protocol.samples import CARD_KEY_CHANCE, CARD_KEY_REQUEST, CARD_KEY_SECRET, EPOCH, KEY, SERVER_KEY, TID

_ROOT: Final = SERVER_KEY.public
_REQUEST: Final = encode(
    RequestFile(
        sign(CARD_KEY_REQUEST, KEY).decode(), samples.GRANT_JWS.decode(), sign(samples.KEYS, SERVER_KEY).decode()
    )
)
_DELIVERY: Final = deliver(CARD_KEY_REQUEST, 7, samples.KEY_SETS, CARD_KEY_CHANCE, SERVER_KEY)
_WHOM: Final = f"{TID}/{EPOCH}"
_SEALED: Final = seal(b"what nobody else reads", public_of(CARD_KEY_SECRET), _WHOM, CARD_KEY_CHANCE)
_JOURNAL: Final = samples.chain_of(samples.STORY[:6])
_LINES: Final = [sealed.jws for sealed in _JOURNAL]
_NEWEST: Final = Tip(_JOURNAL[-1].seq, _JOURNAL[-1].hash)
_CHAIN: Final = ChainId(samples.SITE, TID, EPOCH, samples.TNO)
_PAGE_BYTES: Final = 512
_SETTINGS: Final = Path(__file__).parents[2] / "docs" / "server.toml"


def _tables_hold(raw: bytes, found: Any) -> None:
    if read_tables(write_tables([(keys.number, keys.masters) for keys in found])) != found:
        raise Broken("tables that are others when they are written again")


def _part_holds(raw: bytes, found: Any) -> None:
    if read_part(write_part(found)) != found:
        raise Broken("a part that is another one when it is printed again")


def _was_signed(raw: bytes, found: Any) -> None:
    if found != read_request(_REQUEST, _ROOT):
        raise Broken("a request that nobody has signed")


def _was_delivered(raw: bytes, found: Any) -> None:
    if raw != _DELIVERY:
        raise Broken("a delivery that nobody has signed")


def _was_sealed(raw: bytes, found: Any) -> None:
    if raw != _SEALED.encode():
        raise Broken("something that nobody has sealed")


def _examined(raw: bytes) -> Report:
    return examine(raw.split(b"\n"), samples.START, KEY.public, chain=_CHAIN, head=_NEWEST)


def _tampering_told(raw: bytes, report: Report) -> None:
    lines = [line for line in (line.rstrip(b"\r\n") for line in raw.split(b"\n")) if line]
    if not report.findings and lines[: len(_LINES)] != _LINES:
        raise Broken("a changed journal, and nothing found")


class _Replied:
    def __init__(self, lines: Sequence[bytes]) -> None:
        self.reply, self.new = Ack(_NEWEST), len(lines)


async def _take(lines: Sequence[bytes]) -> _Replied:
    return _Replied(lines)


def _taken(raw: bytes) -> TakenFile:
    try:
        take_journal(_take, TID, raw.split(b"\n")).send(None)
    except StopIteration as end:
        taken: TakenFile = end.value
        return taken
    raise AssertionError("nothing here waits")


def _code_holds(raw: bytes, code: str) -> None:
    if read_code(shown_code(code)) != code or not set(CODE_ALPHABET) >= set(code):
        raise Broken("a code that is another one when it is shown")


def _cents_hold(raw: bytes, cents: int) -> None:
    if parse_cents(format_cents(cents)) != cents:
        raise Broken("an amount that is another one when it is shown")


def _cards_hold(raw: bytes, found: OldCards) -> None:
    if any(not 0 <= card.cents <= 99_999_999 for card in found.cards):
        raise Broken("a balance that no card can be given")


def _database() -> tuple[bytes, bytes]:
    """A journal's file and its log, of small pages."""
    with TemporaryDirectory(prefix="fanka-fuzz-") as name:
        path = Path(name) / "journal.db"
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, jws BLOB NOT NULL)")
            db.executemany("INSERT INTO entry VALUES (?, ?)", enumerate(_LINES, start=1))
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            db.executemany("INSERT INTO entry VALUES (?, ?)", enumerate(_LINES[:3], start=20))
            return path.read_bytes(), path.with_name("journal.db-wal").read_bytes()


def _with_sum(raw: bytes) -> bytes:
    """A log whose header's sum holds (sqlite.org/fileformat2.html, section 4.2)."""
    one = other = 0
    order = ">" if raw[3:4] == b"\x83" else "<"
    for left, right in struct.iter_unpack(f"{order}II", raw[:24].ljust(24, b"\0")):
        one = (one + left + other) & 0xFFFFFFFF
        other = (other + right + one) & 0xFFFFFFFF
    return raw[:24].ljust(24, b"\0") + struct.pack(">II", one, other) + raw[32:]


def _pages(raw: bytes) -> list[tuple[int, bytes]]:
    cut = range(0, len(raw), _PAGE_BYTES)
    return list(rows_in({at // _PAGE_BYTES + 1: raw[at : at + _PAGE_BYTES] for at in cut}))


def _log_holds(raw: bytes, log: Log) -> None:
    if any(len(frame.content) != log.page_bytes or not frame.page for frame in log.finished):
        raise Broken("a frame that is no page")


def _keys_and_codes() -> Iterator[Target]:
    keys = ("protocol.card_keys", "protocol.card_key_delivery", "protocol.settings", "protocol.signing")
    part = write_part(split(samples.KEY_SETS[0], 2, bytes(range(48)))[0]).encode()
    tables = write_tables([(known.number, known.masters) for known in samples.KEY_SETS])
    yield Target("card-key-part", [part], of_text(read_part), keys, (NotKeys,), holds=_part_holds)
    yield Target("card-key-tables", [tables], read_tables, keys, (NotKeys,), holds=_tables_hold, weight=4)
    yield Target(
        "card-key-request",
        [_REQUEST],
        lambda raw: read_request(raw, _ROOT),
        (*keys, "protocol.trust"),
        (NotAMessage,),
        holds=_was_signed,
        weight=5,
    )
    yield Target(
        "card-key-delivery",
        [_DELIVERY],
        lambda raw: read_delivery(raw, _ROOT),
        keys,
        (NotDelivered,),
        holds=_was_delivered,
        weight=10,
    )
    yield Target(
        "sealed",
        [_SEALED.encode()],
        of_text(lambda text: unseal(text, CARD_KEY_SECRET, _WHOM)),
        ("protocol.sealing",),
        (NotOpened,),
        holds=_was_sealed,
        weight=4,
    )
    yield Target(
        "claim-code",
        [b"4T7QX-W2M9K", b"o1i l-abcdef"],
        of_text(read_code),
        ("protocol.enrolment",),
        (NotACode,),
        holds=_code_holds,
        weight=5,
    )
    yield Target(
        "amount",
        [b"12", b"12.3", b"0.05"],
        of_text(parse_cents),
        ("protocol.money",),
        (ValueError,),
        holds=_cents_hold,
        weight=2,
    )
    yield Target(
        "certificate-request",
        [request_pem(new_key(), "terminal")],
        read_certificate_request,
        ("server.broker.certificates",),
        (NotARequest,),
        weight=2,
    )


def _tables() -> Iterator[Target]:
    card_lists = ("protocol.card_lists",)
    old = 'card,person,name,class,balance\n10000123,2023001,张三,student,52.60\n7,,,visitor,"1,000"\n'
    titles = '卡号,学号,姓名,类别,余额\r\n８,2023001,"张,三",学生,0\r\n'
    yield Target(
        "csv-old-cards",
        [old.encode(), titles.encode("gb18030")],
        read_old_cards,
        (*card_lists, "server.importing.rules"),
        (FileWrong,),
        holds=_cards_hold,
    )
    new = "card,person,name,class,generation\n1001,2023001,张三,student,1\n1002,,,staff,2\n"
    yield Target(
        "csv-new-cards", [new.encode()], read_list, (*card_lists, "terminal.batch_list"), (ListWrong,), weight=20
    )
    yield Target(
        "settings",
        [_SETTINGS.read_bytes()],
        lambda raw: decode_settings(raw, Settings),
        ("protocol.settings",),
        (SettingsWrong,),
        weight=1,
    )
    problem = b'{"type":"about:blank","title":"Forbidden","status":403,"code":"claim_closed","detail":"no","more":[{}]}'
    yield Target(
        "http-answer",
        [problem],
        lambda raw: read_answer(raw, Problem),
        ("protocol.canonical",),
        (NotCanonical,),
    )


def _journals() -> Iterator[Target]:
    whole = b"\n".join(_LINES)
    yield Target("journal-verified", [whole], _examined, ("protocol.tampering",), holds=_tampering_told, weight=2)
    yield Target(
        "journal-imported",
        [whole, whole + b"\n# entries after 6 may exist"],
        _taken,
        ("server.ingest.journal_files", "server.ingest.rules", "protocol.sync_receiver"),
        (Invalid, Conflict),
        weight=5,
    )
    main, log = _database()
    yield Target("journal-pages", [main], _pages, ("terminal.leaf_pages",), weight=5)
    logs = ("terminal.log_frames",)
    yield Target("journal-log", [log], lambda raw: read_log(raw, _PAGE_BYTES), logs, holds=_log_holds, weight=1)
    yield Target(
        "journal-log-header",
        [log],
        lambda raw: read_log(raw, _PAGE_BYTES),
        logs,
        holds=_log_holds,
        wrap=_with_sum,
        weight=1,
    )


def targets() -> Iterator[Target]:
    """All of them."""
    for group in (_keys_and_codes, _tables, _journals):
        yield from group()
