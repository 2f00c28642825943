"""One example of everything, made from fixed seeds: what the golden files hold and the tests start from."""

from collections.abc import Iterable
from typing import Final

from msgspec import structs

from protocol.authorise import Listed, Refusal
from protocol.card_bodies import Erased, Rekeyed
from protocol.card_key_delivery import CardKeyRequest, Holder
from protocol.card_keys import KeySet, Tier
from protocol.entries import (
    Body,
    Booted,
    CardBegun,
    CardBlocked,
    CardErased,
    CardIssued,
    CardRekeyed,
    CashSale,
    Checkpoint,
    ClockChanged,
    CloseStep,
    CloseTo,
    Discount,
    Entry,
    EpochEnded,
    Fault,
    Kind,
    Line,
    ListsApplied,
    ListVersions,
    LoadStep,
    PinTried,
    PriceOverridden,
    Reason,
    RefundStep,
    RefundTo,
    SaleRefused,
    SaleStep,
    ShiftClosed,
    ShiftOpened,
    TopUpStep,
    TopUpTo,
    Vend,
    turnover_of,
)
from protocol.ids import (
    CardNo,
    ChannelId,
    Counter,
    Epoch,
    Generation,
    LoadSeq,
    MerchantId,
    ProductId,
    Seq,
    ShiftNo,
    SiteId,
    StaffId,
    TerminalId,
    Tno,
)
from protocol.instants import BusinessDay, ClockSource, MonoMs, Month, UtcMs
from protocol.journal import Sealed, Tip, seal
from protocol.load_record import encode_load, sign_load
from protocol.merkle import EMPTY_ROOT
from protocol.messages import (
    Ack,
    Answer,
    Ask,
    Grant,
    Keys,
    Known,
    ListFile,
    Manifest,
    Question,
    ServerKey,
    ServerState,
    ServerTime,
    Signed,
    TipAnswer,
    TreeHead,
    Want,
    Who,
    sign,
    version_of,
)
from protocol.money import Cents
from protocol.pay_codes import make_pay_code, read_pay_code
from protocol.policy import load_text
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, CardRead, Identity, LoadRecord, Mark, Purse, SeenStep, Spent, Technology
from protocol.sealed_rows import EntryRow, PostingRow, SealedRow, TrailRow
from protocol.sealing import SEAL_CHANCE_BYTES, public_of
from protocol.signing import SigningKey, mac8_with, sha256_of, to_base64url
from protocol.state import State

SITE, TID, EPOCH, TNO = SiteId("north-campus"), TerminalId("till-07"), Epoch(1), Tno(41)
KEY_SEED, SERVER_SEED, LOAD_SEED = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))
KEY: Final = SigningKey(KEY_SEED)
SERVER_KEY: Final = SigningKey(SERVER_SEED)
LOAD_KEY: Final = SigningKey(LOAD_SEED)
NOON = UtcMs(1_796_011_200_000)

CLASSIC_UID, DESFIRE_UID = bytes.fromhex("04a1b2c3"), bytes.fromhex("04112233445566")
MAC_KEY = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
MAC8: Final = mac8_with(MAC_KEY)

CLASSIC: Final = CardId(CardNo(1_001), Generation(1), Technology.CLASSIC, CardClass.STUDENT)
DESFIRE: Final = CardId(CardNo(2_002), Generation(2), Technology.DESFIRE, CardClass.STAFF)
MERCHANT = MerchantId("canteen-1")
LINES = (
    Line(ProductId("rice"), 1, Cents(100), Cents(150)),
    Line(ProductId("mapo-tofu"), 2, Cents(600), discounts=(Discount("percent:10", Cents(120)),)),
    Line(ProductId("free"), 1, Cents(20)),
)
TOKEN: Final = CardId(CardNo(3_003), Generation(1), Technology.TOKEN, CardClass.STUDENT)
LAST_CLASSIC = (SeenStep(1, 40, 7, Counter(11), Cents(5_000), Cents(300)), SeenStep())
LAST_DESFIRE = (SeenStep(1, 40, 8, Counter(3), amount=Cents(-900)),)
RECORD: Final = LoadRecord(CardNo(1_001), Generation(1), LoadSeq(2), Cents(20_000), Cents(4_500), 6, Cents(3_000))
SIGNED_LOAD: Final = sign_load(RECORD, LOAD_KEY)
LOAD_TEXT: Final = load_text(encode_load(SIGNED_LOAD))

IDENTITY: Final = Identity(CardNo(1_001), Generation(1), CardClass.STUDENT, bytes.fromhex("a0a1a2a3a4a5a6a7"))
SPENT: Final = Spent(BusinessDay(20_780), Cents(1_300), Month(682), Cents(45_600), 2, 1)
PURSE: Final = Purse(Counter(11), Cents(5_000), Cents(300), SPENT, 1, 6, LoadSeq(2), 1, Mark(Tno(40), Seq(7)))

CLASSIC_READ: Final = CardRead(Technology.CLASSIC, CLASSIC_UID, 3, IDENTITY, PURSE, (), RECORD, SIGNED_LOAD)

GRANT: Final = Grant(SITE, TID, EPOCH, TNO, to_base64url(KEY.public.raw), NOON)
GRANT_JWS: Final = sign(GRANT, SERVER_KEY)
START: Final = GRANT.start(GRANT_JWS)


def sale(prepared: int, *, amount: int = 1_200) -> SaleStep:
    """A purchase that takes the subsidy first; `prepared` 0 is the prepared entry itself."""
    return SaleStep(
        CLASSIC,
        Cents(amount),
        Counter(11),
        Counter(12),
        Cents(5_000),
        Cents(5_000 - amount + 300),
        Cents(300),
        Cents(0),
        Seq(prepared),
        LAST_CLASSIC,
        merchant=MERCHANT,
        lines=LINES,
    )


def refund(prepared: int) -> RefundStep:
    """Money back onto the card for the sale that entry 3 prepared."""
    return RefundStep(
        DESFIRE,
        Cents(600),
        Counter(4),
        Counter(5),
        Cents(700),
        Cents(1_300),
        prepared=Seq(prepared),
        card_last=LAST_DESFIRE,
        merchant=MERCHANT,
        of=Seq(3),
        to=RefundTo.CARD,
        lines=LINES[1:2],
    )


def topup(prepared: int) -> TopUpStep:
    """Cash onto a DESFire card."""
    return TopUpStep(
        DESFIRE,
        Cents(10_000),
        Counter(5),
        Counter(6),
        Cents(1_300),
        Cents(11_300),
        prepared=Seq(prepared),
        channel=ChannelId("cash"),
        to=TopUpTo.CARD,
    )


def load(prepared: int) -> LoadStep:
    """The server's record collected: the main purse and a new subsidy period."""
    return LoadStep(
        CLASSIC,
        Cents(8_000),
        Counter(12),
        Counter(13),
        Cents(4_100),
        Cents(9_100),
        Cents(0),
        Cents(3_000),
        Seq(prepared),
        load_seq=LoadSeq(2),
        loaded=Cents(15_000),
        loaded_after=Cents(20_000),
        expired=Cents(250),
        record=LOAD_TEXT,
    )


def close(prepared: int, to: CloseTo) -> CloseStep:
    """Everything off a DESFire card that is handed in."""
    return CloseStep(
        DESFIRE,
        Cents(11_450),
        Counter(6),
        Counter(7),
        Cents(11_300),
        Cents(0),
        Cents(150),
        Cents(0),
        Seq(prepared),
        to=to,
    )


PIN_TRIED: Final = PinTried(
    CLASSIC, Cents(0), Counter(11), Counter(12), Cents(5_000), Cents(5_000), Cents(300), Cents(300), tries_after=1
)
REFUSED: Final = SaleRefused(
    "balance_too_low", Cents(9_900), CLASSIC, Counter(13), Cents(9_100), Cents(3_000), 2, LAST_CLASSIC
)

STORY: Final[tuple[tuple[Kind, Body], ...]] = (
    (Kind.BOOTED, Booted("fanka 0.1.0", 120, 1)),
    (Kind.SHIFT_OPENED, ShiftOpened(ShiftNo(3), Cents(20_000))),
    (Kind.SALE_PREPARED, sale(0)),
    (Kind.SALE_SETTLED, sale(3)),
    (Kind.SALE_VOIDED, sale(3)),
    (Kind.SALE_TORN, sale(3)),
    (Kind.VEND_DISPENSED, Vend(Seq(3), 12)),
    (Kind.VEND_FAILED, Vend(Seq(3), 12, "motor 12 did not turn")),
    (Kind.VEND_UNKNOWN, Vend(Seq(3))),
    (Kind.REFUND_PREPARED, refund(0)),
    (Kind.REFUND_SETTLED, refund(10)),
    (Kind.REFUND_VOIDED, refund(10)),
    (Kind.REFUND_TORN, refund(10)),
    (Kind.TOPUP_PREPARED, topup(0)),
    (Kind.TOPUP_SETTLED, topup(14)),
    (Kind.TOPUP_VOIDED, topup(14)),
    (Kind.TOPUP_TORN, topup(14)),
    (Kind.LOAD_PREPARED, load(0)),
    (Kind.LOAD_SETTLED, load(18)),
    (Kind.LOAD_VOIDED, load(18)),
    (Kind.LOAD_TORN, load(18)),
    (Kind.PIN_TRIED, PIN_TRIED),
    (Kind.CARD_BLOCKED, CardBlocked(CLASSIC, "found in the dining hall")),
    (Kind.CARD_ISSUED, CardIssued(DESFIRE, "04112233445566", 3, 1)),
    (Kind.SALE_REFUSED, REFUSED),
    (Kind.CASH_SALE, CashSale(MERCHANT, Cents(1_200), LINES)),
    (Kind.DRAWER_OPENED, Reason("change for 饭卡 deposit")),
    (Kind.RECEIPT_REPRINTED, Reason("paper jam", Seq(3))),
    (Kind.PRICE_OVERRIDDEN, PriceOverridden(ProductId("rice"), Cents(150), Cents(100), "burnt")),
    (Kind.LISTS_APPLIED, ListsApplied(to_base64url(bytes(32)))),
    (Kind.CLOCK_CHANGED, ClockChanged(UtcMs(NOON - 5_000), ClockSource.RTC)),
    (Kind.FAULT, Fault("printer.0", 'says "no paper"\x1f\x7f \u2028')),
    (Kind.CHECKPOINT, Checkpoint(Seq(30), "header.payload.signature", to_base64url(bytes(range(32))))),
    (
        Kind.SHIFT_CLOSED,
        ShiftClosed(ShiftNo(3), Cents(21_100), Cents(21_200), 2, Cents(2_400), Cents(600), Cents(1_200)),
    ),
    (Kind.EPOCH_ENDED, EpochEnded("new SD card")),
)
OFFICE_STORY: Final[tuple[tuple[Kind, Body], ...]] = (
    (Kind.CARD_REKEYED, CardRekeyed(DESFIRE, 3, Rekeyed.BEGUN, 2)),
    (Kind.CARD_REKEYED, CardRekeyed(DESFIRE, 3, Rekeyed.FAILED, 2)),
    (Kind.CARD_REKEYED, CardRekeyed(DESFIRE, 3, Rekeyed.DONE)),
    (Kind.CLOSE_PREPARED, close(0, CloseTo.CASH)),
    (Kind.CLOSE_SETTLED, close(4, CloseTo.CASH)),
    (Kind.CLOSE_VOIDED, close(4, CloseTo.CASH)),
    (Kind.CLOSE_TORN, close(4, CloseTo.PENDING)),
    (Kind.CARD_BEGUN, CardBegun(DESFIRE, "04112233445566", 3)),
    (Kind.CARD_ERASED, CardErased(DESFIRE, "04112233445566", Erased.BEGUN, 3, Counter(17))),
    (Kind.CARD_ERASED, CardErased(DESFIRE, "04112233445566", Erased.FAILED, 3, Counter(17))),
    (Kind.CARD_ERASED, CardErased(DESFIRE, "04112233445566", Erased.DONE, 3)),
)
"""Told at the card office; kinds that are younger than `STORY`, whose chain stays as it is."""
LISTS: Final = ListVersions(1, 2, 3, 4, 5, 6, 7, 8, 2**32 + 9)


def entry_after(before: Sealed | Tip, kind: Kind, body: Body) -> Entry:
    """The entry of this kind that continues a chain of ours, two seconds after the one before it."""
    tip = before if isinstance(before, Tip) else Tip(before.seq, before.hash)
    since = before.entry.turnover if isinstance(before, Sealed) else Cents(0)
    seq = Seq(tip.seq + 1)
    return Entry(
        1,
        SITE,
        TID,
        EPOCH,
        TNO,
        seq,
        tip.prev,
        kind,
        UtcMs(NOON + 2_000 * seq),
        MonoMs(60_000 + 2_000 * seq),
        1,
        ClockSource.SERVER,
        LISTS,
        StaffId("wang.li") if seq > 1 else StaffId(""),
        ShiftNo(3) if seq > 1 else ShiftNo(0),
        Cents(since + turnover_of(kind, body)),
        body=body,
    )


def chain_of(story: Iterable[tuple[Kind, Body]] = STORY, *, start: Tip = START, key: SigningKey = KEY) -> list[Sealed]:
    """Seal a story onto a chain."""
    chain: list[Sealed] = []
    for kind, body in story:
        chain.append(seal(entry_after(chain[-1] if chain else start, kind, body), key))
    return chain


_HASH = to_base64url(bytes(range(32)))
SEALED_ROWS: Final[dict[str, SealedRow]] = {
    "entry": EntryRow(TNO, 0, Seq(3), NOON, chain_of()[2].jws.decode()),
    "posting": PostingRow(7, "41/0/4", 1, 20_786, 20_786, "purse", "1001/1", Cents(-1_200), NOON),
    "trail": TrailRow(3, "li.wei", "finance", NOON, "close_day", "days/20785/close", sha256_of(b"").hex(), "done", ""),
}
"""A row of each table that is sealed; the tree of the example has them for leaves, in this order."""
OLD_KEY: Final = SigningKey(bytes(range(96, 128)))
"""An ack key of earlier days."""

KEYS: Final = Keys(
    2,
    NOON,
    (
        ServerKey("grant", 1, to_base64url(SERVER_KEY.public.raw), NOON),
        ServerKey("ack", 1, to_base64url(OLD_KEY.public.raw), UtcMs(NOON - 1), NOON),
        ServerKey("ack", 2, to_base64url(SERVER_KEY.public.raw), NOON),
        ServerKey("list", 1, to_base64url(SERVER_KEY.public.raw), NOON),
        ServerKey("load", 1, to_base64url(LOAD_KEY.public.raw), NOON),
    ),
)
"""What the root signed: the ack key is the second of its purpose."""

CARD_KEY_SECRET: Final = bytes(range(128, 160))
CARD_KEY_CHANCE: Final = bytes(range(160, 160 + SEAL_CHANCE_BYTES))
CARD_KEY_REQUEST: Final = CardKeyRequest(TID, EPOCH, Holder.TILL, to_base64url(public_of(CARD_KEY_SECRET)))
KEY_SETS: Final = tuple(
    KeySet(number, {tier: bytes([number, place]) * 8 for place, tier in enumerate(Tier)}) for number in (2, 1)
)

MESSAGES: Final[dict[str, tuple[Signed, str]]] = {
    "grant": (GRANT, "grant"),
    "grant_of_a_second_epoch": (
        Grant(SITE, TID, Epoch(2), Tno(42), to_base64url(KEY.public.raw), NOON, 1, Seq(35), _HASH),
        "grant",
    ),
    "ack": (Ack(1, TID, EPOCH, Seq(35), _HASH, NOON), "ack"),
    "tip": (TipAnswer(1, TID, EPOCH, Seq(0), _HASH, NOON), "ack"),
    "want": (Want(TID, EPOCH, Seq(12), NOON), "ack"),
    "server": (ServerState(_HASH, 1, NOON), "ack"),
    "time": (ServerTime(_HASH, NOON), "ack"),
    "known": (Known(1, TID, _HASH, NOON, TOKEN), "ack"),
    "known_as_blocked": (Known(1, TID, _HASH, NOON, TOKEN, Listed.BLOCKED), "ack"),
    "known_to_nobody": (Known(1, TID, _HASH, NOON), "ack"),
    "answer": (
        Answer(
            1,
            TID,
            EPOCH,
            Seq(36),
            _HASH,
            NOON,
            TOKEN,
            Cents(1_200),
            main=Cents(5_000),
            main_after=Cents(4_100),
            subsidy=Cents(300),
        ),
        "ack",
    ),
    "answer_that_refuses": (
        Answer(1, TID, EPOCH, Seq(36), _HASH, NOON, TOKEN, Cents(1_200), Refusal.BALANCE_TOO_LOW, Cents(300)),
        "ack",
    ),
    "keys": (KEYS, "root"),
    "tree_head": (TreeHead(1, 8, BusinessDay(20_786), 41_000, _HASH, NOON, _HASH), "ack"),
    "first_tree_head": (TreeHead(1, 1, BusinessDay(20_779), 0, to_base64url(EMPTY_ROOT), NOON), "ack"),
    "manifest": (
        Manifest(
            SITE,
            version_of(1, 7),
            UtcMs(NOON + 86_400_000),
            NOON,
            {
                "prices": ListFile(version_of(1, 3), "0" * 63 + "1", 500_000, ("0" * 63 + "2", "0" * 63 + "3")),
                "cards": ListFile(version_of(1, 7), "f" * 64, 12, ("e" * 64,)),
            },
        ),
        "list",
    ),
}
STATE: Final = State(
    1, EPOCH, ListVersions(cards=version_of(1, 7), prices=version_of(1, 3)), version_of(1, 7), NOON, 2, "lists: older"
)

QUESTIONS: Final[dict[str, Question]] = {
    "who": Who(_HASH, "04a1b2c3"),
    "ask": Ask(EPOCH, TNO, Seq(36), _HASH, TOKEN, Cents(1_200)),
    "ask_proven": Ask(EPOCH, TNO, Seq(36), _HASH, TOKEN, Cents(1_200), Proof(ProofKind.SUN, Counter(61))),
}


def token_sale(prepared: int, approval: str = "") -> SaleStep:
    """A purchase with a token: prepared it knows no purse; settled it has those of the server's answer."""
    if not approval:
        return SaleStep(
            TOKEN, Cents(1_200), main_after=Cents(-1_200), prepared=Seq(prepared), merchant=MERCHANT, lines=LINES
        )
    return SaleStep(
        TOKEN,
        Cents(1_200),
        main=Cents(5_000),
        main_after=Cents(4_100),
        subsidy=Cents(300),
        prepared=Seq(prepared),
        merchant=MERCHANT,
        lines=LINES,
        approval=approval,
    )


PAY_CODE: Final = make_pay_code(TOKEN, NOON, SERVER_KEY)


def _proven(sale: SaleStep, proof: Proof | None = None) -> SaleStep:
    return structs.replace(sale, proof=proof or Proof(ProofKind.SUN, Counter(61)))


_CODE: Final = read_pay_code(PAY_CODE)
assert _CODE is not None


TOKEN_STORY: Final[tuple[tuple[Kind, Body], ...]] = (
    (Kind.BOOTED, Booted("fanka 0.2.0")),
    (Kind.SALE_PREPARED, token_sale(0)),
    (Kind.SALE_SETTLED, token_sale(2, _HASH)),
    (Kind.SALE_PREPARED, token_sale(0)),
    (Kind.SALE_VOIDED, token_sale(4)),
    (Kind.SALE_PREPARED, token_sale(0)),
    (Kind.SALE_SETTLED, token_sale(6)),
    (Kind.SALE_PREPARED, _proven(token_sale(0))),
    (Kind.SALE_SETTLED, _proven(token_sale(8))),
    (Kind.SALE_PREPARED, _proven(token_sale(0), _CODE.proof)),
    (Kind.SALE_SETTLED, _proven(token_sale(10), _CODE.proof)),
)
"""Approved, voided, and stood in for; without a proof, as terminals once wrote it, with one, and with a pay code."""
