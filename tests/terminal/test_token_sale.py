"""A token pays only by the server's word, in time, once a tap; everything else is void, and said in words."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as with_members

from hardware.simulated.ntag424 import VirtualNtag424
from hardware.simulated.plain_card import VirtualFelica, VirtualPlain, VirtualTypeB
from protocol.authorise import Listed, Refusal
from protocol.entries import Kind, SaleRefused, SaleStep
from protocol.ids import CardNo, Counter, Generation, Seq
from protocol.instants import DAY_MS, ClockSource
from protocol.limits import LimitRules
from protocol.messages import Answer, Known
from protocol.money import Cents
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, Technology
from protocol.signing import sha256_of, to_base64url
from protocol.tokens import ANSWER_WITHIN_MS, read_of
from terminal.derived import from_snapshot, snapshot_of
from terminal.desk import Approving, CardTapped, Identifying
from terminal.purchase import Facts
from terminal.texts.en import SENTENCES
from tests.hardware.card_bench import NEXT_KEYS, TILL, WHO, issued
from tests.hardware.tag_bench import tag, ultralight
from tests.protocol.samples import GRANT, NOON
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

TOKEN = CardId(CardNo(7), Generation(1), Technology.TOKEN, CardClass.STUDENT)
WHO_ID = CardId(WHO.card, WHO.generation, Technology.TOKEN, WHO.card_class)
CARD, OTHER = VirtualPlain(bytes.fromhex("04a1b2c3")), VirtualPlain(bytes.fromhex("04d1d2d3d4d5d6"))


@dataclass
class Asked:
    """A server that answers when the test says so."""

    bench: CounterBench
    is_up: bool = True
    uids: list[str] = field(default_factory=list[str])
    sales: list[tuple[Seq, bytes, CardId, Cents]] = field(default_factory=list[tuple[Seq, bytes, CardId, Cents]])
    proofs: list[Proof | None] = field(default_factory=list["Proof | None"])

    def who(self, uid: str) -> str:
        self.uids.append(uid)
        return self.nonce

    def ask(self, seq: Seq, entry_hash: bytes, card: CardId, amount: Cents, proof: Proof | None) -> None:
        self.proofs.append(proof)
        self.sales.append((seq, entry_hash, card, amount))

    @property
    def nonce(self) -> str:
        return to_base64url(sha256_of(str(len(self.uids)).encode()))

    async def knows(self, card: CardId | None = TOKEN, listed: Listed = Listed.GOOD, nonce: str = "") -> None:
        known = Known(1, GRANT.tid, nonce or self.nonce, NOON, card, listed)
        await self.bench.till.turn(lambda shell: shell.told(known, b"signed"))

    async def answers(self, refused: Refusal | None = None, figure: int = 0, **changed: Any) -> None:
        seq, digest, card, amount = self.sales[-1]
        told = Answer(1, GRANT.tid, GRANT.epoch, seq, to_base64url(digest), NOON, card, amount, refused, Cents(figure))
        if refused is None:
            told = with_members(told, main=Cents(5_000), main_after=Cents(5_000 - amount))
        told = with_members(told, **changed)
        await self.bench.till.turn(lambda shell: shell.told(told, b"signed"))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CounterBench]:
    journal = await open_store(tmp_path)
    bench = CounterBench(journal, TILL)
    await bench.shell.start()
    yield bench
    await journal.close()


@pytest.fixture
def server(bench: CounterBench) -> Asked:
    bench.shell.server = server = Asked(bench)
    return server


async def rings(bench: CounterBench, text: str = "12.50") -> None:
    await bench.types(f"ring {text}", "pay")


async def asks(bench: CounterBench, server: Asked, card: VirtualPlain = CARD) -> None:
    """Ring, tap, be known: the server is asked for the money."""
    await rings(bench)
    await bench.taps(card)
    await server.knows()
    assert isinstance(bench.shell.desk.phase, Approving)


def body_of(bench: CounterBench) -> SaleStep:
    body = bench.entries[-1].entry.body
    assert isinstance(body, SaleStep)
    return body


async def test_a_token_pays_when_the_server_says_so(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    view = await bench.taps(CARD)
    assert (view.title, view.amount_cents, bench.kinds()) == ("Asking the server", 1_250, [Kind.BOOTED])
    assert server.uids == ["04a1b2c3"]
    await server.knows()
    begun = bench.entries[-1]
    assert begun.entry.kind is Kind.SALE_PREPARED and body_of(bench).main_after == -1_250
    assert server.sales == [(begun.seq, begun.hash, TOKEN, 1_250)] and bench.handed_over == 0
    await server.answers()
    body = body_of(bench)
    assert bench.kinds()[-1] is Kind.SALE_SETTLED and bench.handed_over == 1
    assert (body.prepared, body.main, body.main_after, body.counter_after) == (begun.seq, 5_000, 3_750, 0)
    assert body.approval == to_base64url(sha256_of(b"signed"))
    assert (bench.face.views[-1].title, bench.face.views[-1].lines[0]) == ("Paid", "balance ¥37.50")


@pytest.mark.parametrize(
    ("reason", "figure", "words"),
    [(Refusal.BALANCE_TOO_LOW, 300, "only ¥3.00"), (Refusal.CARD_BLOCKED, 0, "blocked"), (Refusal.DAY_LIMIT, 9, "day")],
)
async def test_a_refusal_of_the_server_is_void_and_in_words(
    bench: CounterBench, server: Asked, reason: Refusal, figure: int, words: str
) -> None:
    await asks(bench, server)
    await server.answers(reason, figure)
    view = bench.face.views[-1]
    assert view.phase == "not_done" and words in view.lines[0] and bench.handed_over == 0
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and body_of(bench).approval == ""
    bench.at_ms += 60_000
    await bench.till.tick()
    refused = bench.entries[-1].entry.body
    assert isinstance(refused, SaleRefused) and (refused.reason, refused.card, refused.amount) == (reason, TOKEN, 1_250)


async def test_a_refused_token_that_stays_is_asked_about_again(bench: CounterBench, server: Asked) -> None:
    """The cashier takes something off the basket; the token lies there."""
    await asks(bench, server)
    await server.answers(Refusal.BALANCE_TOO_LOW, 300)
    await bench.types("clear")
    await rings(bench, "3.00")
    await server.knows()
    await server.answers()
    assert bench.handed_over == 1 and body_of(bench).amount == 300


async def test_what_the_list_or_the_server_says_of_a_token_is_refused_without_asking(
    bench: CounterBench, server: Asked
) -> None:
    for listed, words in ((Listed.BLOCKED, "blocked"), (Listed.CLOSED, "closed")):
        await rings(bench)
        await bench.taps(CARD)
        await server.knows(listed=listed)
        assert words in bench.face.views[-1].lines[0]
        await bench.takes_off()
        await bench.types("cancel")
    assert not server.sales and Kind.SALE_PREPARED not in bench.kinds()


async def test_a_stranger_s_card_is_not_ours(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    await bench.taps(OTHER)
    await server.knows(None)
    assert bench.face.views[-1].lines == (SENTENCES["refused.card_not_ours"],)
    await server.knows(with_members(TOKEN, technology=Technology.CLASSIC))
    assert bench.face.views[-1].lines == (SENTENCES["refused.card_not_ours"],), "and no purse is taken for a token"


async def test_without_a_server_nobody_is_asked(bench: CounterBench) -> None:
    await rings(bench)
    assert (await bench.taps(CARD)).lines == (SENTENCES["refused.card_not_ours"],)


async def test_where_the_line_is_down_it_is_said_at_once(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    await rings(bench)
    view = await bench.taps(CARD)
    assert view.lines == (SENTENCES["refused.server_silent"],) and view.advice == SENTENCES["advice.server_silent"]
    assert not server.uids
    await bench.takes_off()
    purse = issued(Technology.DESFIRE)
    assert (await bench.taps(purse.card)).title == "Paid", "who has a purse on the card still pays"
    assert bench.handed_over == 1


NOBODY_S: dict[str, VirtualPlain] = {
    "a phone": VirtualPlain(bytes.fromhex("08a1b2c3")),
    "a phone as FeliCa": VirtualFelica(bytes.fromhex("01fe010203040506")),
    "type B with a new PUPI each time": VirtualTypeB(*(bytes((1, 2, 3, count)) for count in range(20))),
    "a resident identity card of China": VirtualTypeB(bytes(4)),
    "a card without any": VirtualPlain(b""),
}


@pytest.mark.parametrize("name", NOBODY_S)
async def test_a_uid_that_says_nothing_is_refused_for_that_and_nobody_is_asked(
    bench: CounterBench, server: Asked, name: str
) -> None:
    await rings(bench)
    view = await bench.taps(NOBODY_S[name])
    assert (view.lines, view.advice) == (
        (SENTENCES["refused.uid_says_nothing"],),
        SENTENCES["advice.uid_says_nothing"],
    )
    assert not server.uids
    bench.at_ms += 60_000
    await bench.till.tick()
    refused = bench.entries[-1].entry.body
    assert isinstance(refused, SaleRefused) and (refused.reason, refused.card) == (Refusal.UID_SAYS_NOTHING, None)


@pytest.mark.parametrize(
    ("card", "uid"),
    [
        (VirtualFelica(bytes.fromhex("012e4cd4544d451a")), "012e4cd4544d451a"),
        (VirtualTypeB(bytes.fromhex("1a2b3c4d")), "1a2b3c4d"),
    ],
    ids=["FeliCa", "type B"],
)
async def test_felica_and_type_b_pay_online_and_never_without_the_server(
    bench: CounterBench, server: Asked, card: VirtualPlain, uid: str
) -> None:
    bench.shell.lists = replace(bench.shell.lists, rules=LimitRules(stand_in=Cents(9_000)))
    await asks(bench, server, card)
    assert server.uids == [uid]
    await server.answers()
    assert bench.handed_over == 1
    await bench.takes_off()
    bench.at_ms += 60_000
    server.is_up = False
    await rings(bench)
    assert (await bench.taps(card)).lines == (SENTENCES["refused.server_silent"],) and bench.handed_over == 1


async def test_nobody_waits_longer_than_three_seconds(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    await bench.taps(CARD)
    bench.at_ms += ANSWER_WITHIN_MS
    await bench.till.tick()
    assert isinstance(bench.shell.desk.phase, Identifying)
    bench.at_ms += 1
    await bench.till.tick()
    assert bench.face.views[-1].lines == (SENTENCES["refused.server_silent"],)
    await server.knows()
    assert not server.sales, "what comes too late changes nothing"


async def test_a_sale_without_an_answer_is_void_and_a_late_one_changes_nothing(
    bench: CounterBench, server: Asked
) -> None:
    await asks(bench, server)
    for waited_ms in (500, 600, 1_000):
        bench.at_ms += waited_ms
        await bench.till.tick()
    assert len(server.sales) == 3 and len(set(server.sales)) == 1, "the same question again, each second"
    bench.at_ms += 1_000
    await bench.till.tick()
    assert bench.kinds()[-1] is Kind.SALE_VOIDED
    assert bench.face.views[-1].lines == (SENTENCES["refused.server_silent"],)
    await server.answers()
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and bench.handed_over == 0


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": Cents(1)},
        {"card": with_members(TOKEN, no=CardNo(8))},
        {"seq": Seq(1)},
        {"hash": to_base64url(bytes(32))},
    ],
)
async def test_an_answer_about_anything_else_is_none(
    bench: CounterBench, server: Asked, changed: dict[str, Any]
) -> None:
    """Also one that was recorded for another sale and is played back."""
    await asks(bench, server)
    await server.answers(**changed)
    assert isinstance(bench.shell.desk.phase, Approving) and bench.handed_over == 0
    await server.answers()
    await server.answers()
    assert bench.handed_over == 1


async def test_whose_a_uid_was_does_not_hold_for_the_next(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    await bench.taps(CARD)
    old = server.nonce
    await bench.types("cancel")
    await bench.takes_off()
    await rings(bench)
    await bench.taps(OTHER)
    await server.knows(nonce=old)
    assert isinstance(bench.shell.desk.phase, Identifying) and not server.sales


async def test_one_tap_is_one_charge_for_tokens_too(bench: CounterBench, server: Asked) -> None:
    await asks(bench, server)
    await server.answers()
    await rings(bench)
    assert isinstance(bench.shell.desk.phase, Identifying), "it still lies there, and is read when the next one pays"
    await server.knows()
    assert bench.face.views[-1].phase == "awaiting_card", "it never left: no new tap"
    await bench.takes_off()
    await bench.taps(CARD)
    await server.knows()
    assert bench.face.views[-1].phase == "repeat_asked"
    await bench.types("confirm")
    await server.knows()
    await server.answers()
    assert bench.handed_over == 2


async def test_a_token_that_left_before_the_answer_is_charged_once_and_may_come_again(
    bench: CounterBench, server: Asked
) -> None:
    await rings(bench)
    await bench.taps(CARD)
    await bench.takes_off()
    await server.knows()
    await server.answers()
    assert bench.handed_over == 1 and bench.shell.desk.present is None
    bench.at_ms += 11_000
    await asks(bench, server)
    await server.answers()
    assert bench.handed_over == 2


async def test_a_top_up_of_a_token_is_the_server_s_to_bring(bench: CounterBench, server: Asked) -> None:
    await bench.answer("shift open Wang 100")
    await bench.types("topup 20.00")
    await bench.taps(CARD)
    await server.knows()
    assert bench.kinds()[-1] is Kind.TOPUP_PREPARED and bench.face.views[-1].title == "Money taken, top-up waiting"


async def test_a_refund_of_a_token_s_sale_needs_no_card(bench: CounterBench, server: Asked) -> None:
    await asks(bench, server)
    await server.answers()
    view = await bench.types(f"refund {body_of(bench).prepared} 2.50")
    assert (bench.kinds()[-1], view.title) == (Kind.REFUND_SETTLED, "Given back as credit")


async def test_after_a_stop_a_token_s_sale_is_void(bench: CounterBench, server: Asked) -> None:
    await asks(bench, server)
    again = CounterBench(bench.journal, TILL)
    await again.shell.start()
    assert again.kinds() == [Kind.BOOTED, Kind.SALE_VOIDED] and not again.shell.desk.opens
    assert not again.shell.derived.opens and again.handed_over == 0


# Stand-in: for tokens that have proven who they are


async def taps_proven(bench: CounterBench, server: Asked, stand_in: int) -> None:
    """What a driver says that has checked a token's own word."""
    shell, proof = bench.shell, Proof(ProofKind.SUN, Counter(bench.at_ms + 1))
    await shell.apply_lists(_with_rules(bench, LimitRules(stand_in=Cents(stand_in))))
    await rings(bench)
    now = bench.now()
    read = read_of(TOKEN, proof=proof)
    facts: Facts = shell._facts(read, now)
    await shell.handle(CardTapped(read, facts, now))


def _with_rules(bench: CounterBench, rules: LimitRules) -> Any:
    return replace(bench.shell.lists, rules=rules)


async def test_a_proven_token_is_stood_in_for_up_to_the_day_s_limit(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    for sold in (1, 2):
        await taps_proven(bench, server, 2_500)
        body = body_of(bench)
        assert bench.kinds()[-1] is Kind.SALE_SETTLED and bench.handed_over == sold
        assert (body.approval, body.main, body.main_after) == ("", 0, -1_250)
        await bench.takes_off()
        bench.at_ms += 20_000
    derived = bench.shell.derived
    assert derived.stood_in(TOKEN.key, bench.shell._facts(None, bench.now()).when.day) == 2_500
    assert from_snapshot(snapshot_of(derived)) == derived
    await taps_proven(bench, server, 2_500)
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and bench.handed_over == 2
    await bench.till.tick()
    assert bench.face.views[-1].lines == (SENTENCES["refused.server_silent"],)


async def test_an_answer_in_time_comes_before_a_stand_in(bench: CounterBench, server: Asked) -> None:
    await taps_proven(bench, server, 2_500)
    await server.answers(Refusal.BALANCE_TOO_LOW, 3)
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and bench.handed_over == 0
    await bench.takes_off()
    await taps_proven(bench, server, 2_500)
    bench.at_ms += ANSWER_WITHIN_MS + 1
    await bench.till.tick()
    assert bench.kinds()[-1] is Kind.SALE_SETTLED and bench.handed_over == 1


async def test_nobody_is_stood_in_for_without_a_limit_or_a_clock(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    await taps_proven(bench, server, 0)
    assert bench.kinds()[-1] is Kind.SALE_VOIDED
    await bench.takes_off()
    bench.clock = ClockSource.NONE
    await taps_proven(bench, server, 9_999)
    assert bench.kinds()[-1] is Kind.SALE_VOIDED and bench.handed_over == 0


async def test_a_clock_that_is_set_back_gives_no_second_day(bench: CounterBench, server: Asked) -> None:
    """Nor does one that is set forward again: what was sold on a later day counts today."""
    server.is_up, bench.clock = False, ClockSource.NTP
    for ahead_ms, sold in ((DAY_MS, 1), (0, 2), (DAY_MS, 2), (0, 2)):
        bench.ahead_ms = ahead_ms
        await taps_proven(bench, server, 2_500)
        assert bench.handed_over == sold
        await bench.takes_off()
        bench.at_ms += 20_000
    assert bench.shell.derived.stood_in(TOKEN.key, bench.shell._facts(None, bench.now()).when.day) == 2_500


@pytest.mark.parametrize(("days", "sold"), [(-1, 0), (0, 1), (1, 1), (2, 0), (400, 0)])
async def test_a_clock_that_the_server_s_word_contradicts_counts_no_day(
    bench: CounterBench, server: Asked, days: int, sold: int
) -> None:
    server.is_up, bench.clock, bench.ahead_ms = False, ClockSource.NTP, days * DAY_MS
    await taps_proven(bench, server, 2_500)
    assert bench.handed_over == sold


# A tag that proves who it is, through its driver


async def test_a_tag_that_proves_who_it_is_pays_by_the_server_s_word(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    await bench.taps(tag())
    assert isinstance(bench.shell.desk.phase, Approving) and not server.uids, "nobody is asked whose it is"
    assert server.proofs == [body_of(bench).proof] == [Proof(ProofKind.SUN, Counter(1))]
    await server.answers()
    assert bench.kinds()[-1] is Kind.SALE_SETTLED and bench.handed_over == 1
    assert body_of(bench).proof == Proof(ProofKind.SUN, Counter(1)) and body_of(bench).approval


async def test_a_tag_is_sold_to_without_the_server_within_the_limit(bench: CounterBench, server: Asked) -> None:
    server.is_up = False
    await bench.shell.apply_lists(_with_rules(bench, LimitRules(stand_in=Cents(2_500))))
    card = tag()
    for sold in (1, 2, 2):
        await rings(bench)
        await bench.taps(card)
        assert bench.handed_over == sold
        await bench.takes_off()
        bench.at_ms += 20_000
        await bench.types("cancel")
    assert bench.kinds()[-1] is Kind.SALE_VOIDED


async def test_what_a_tag_has_shown_is_not_taken_again(bench: CounterBench, server: Asked) -> None:
    """Somebody has recorded its message; a start in between forgets nothing."""
    server.is_up = False
    await bench.shell.apply_lists(_with_rules(bench, LimitRules(stand_in=Cents(9_999))))
    card = tag()
    recorded = card.snapshot()
    await rings(bench)
    await bench.taps(card)
    await bench.takes_off()
    assert bench.handed_over == 1
    again = CounterBench(bench.journal, TILL)
    again.shell.server = server
    again.at_ms = 20_000
    await again.shell.start()
    await again.shell.apply_lists(_with_rules(again, LimitRules(stand_in=Cents(9_999))))
    await again.types("cancel", "ring 12.50", "pay")
    view = await again.taps(VirtualNtag424(recorded))
    if view.phase == "paid_earlier":  # it paid just before the start
        await again.types("cancel")
        await again.takes_off()
        view = await again.taps(VirtualNtag424(recorded))
    assert view.lines == (SENTENCES["refused.replayed"],) and again.handed_over == 0
    assert Kind.SALE_PREPARED not in again.kinds()
    again.at_ms += 60_000
    await again.till.tick()
    refused = again.entries[-1].entry.body
    assert isinstance(refused, SaleRefused) and (refused.reason, refused.card) == (Refusal.REPLAYED, WHO_ID)
    assert from_snapshot(snapshot_of(again.shell.derived)) == again.shell.derived


async def test_a_clone_without_the_keys_is_refused_and_nobody_is_asked(bench: CounterBench, server: Asked) -> None:
    await rings(bench)
    view = await bench.taps(tag(mac_keys=NEXT_KEYS))
    assert view.lines == (SENTENCES["refused.not_genuine"],) and view.advice == SENTENCES["advice.not_genuine"]
    assert not server.uids and not server.sales
    bench.at_ms += 60_000
    await bench.till.tick()
    refused = bench.entries[-1].entry.body
    assert isinstance(refused, SaleRefused) and (refused.reason, refused.count) == (Refusal.NOT_GENUINE, 1)


async def test_an_ultralight_that_is_authenticated_is_sold_to_without_the_server(
    bench: CounterBench, server: Asked
) -> None:
    server.is_up = False
    await bench.shell.apply_lists(_with_rules(bench, LimitRules(stand_in=Cents(9_999))))
    for sold in (1, 2):
        await rings(bench)
        await bench.taps(ultralight())
        assert bench.handed_over == sold and body_of(bench).proof == Proof(ProofKind.AES)
        await bench.takes_off()
        bench.at_ms += 20_000
