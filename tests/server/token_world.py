"""Tokens for tests: a terminal that asks as the shipping one does, and entries of what came of it."""

from msgspec.structs import replace as with_members

from protocol.entries import Kind, RefundStep, RefundTo, SaleStep
from protocol.ids import CardNo, Counter, Generation, Seq
from protocol.journal import Sealed
from protocol.messages import Answer, Ask, Known, Who, encode_question, verified
from protocol.money import Cents
from protocol.proofs import Proof, ProofKind
from protocol.purse import CardClass, CardId, Technology
from protocol.signing import sha256_of, to_base64url
from tests.server.office import Desk
from tests.server.world import MERCHANT, Till

UID = "04a1b2c3"


def token_id(no: int, generation: int = 1) -> CardId:
    """A token as entries name it."""
    return CardId(CardNo(no), Generation(generation), Technology.TOKEN, CardClass.STUDENT)


def prepared(till: Till, card: CardId, cents: int, shown: int = 0) -> Sealed:
    """The entry before the question; `shown`: the counter in what the token proves itself with."""
    proof = Proof(ProofKind.SUN, Counter(shown)) if shown else None
    body = SaleStep(card, Cents(cents), main_after=Cents(-cents), merchant=MERCHANT, proof=proof)
    return till.append(Kind.SALE_PREPARED, body)


def settled(till: Till, begun: Sealed, answer: Answer | None, kind: Kind = Kind.SALE_SETTLED) -> Sealed:
    """The outcome, with the figures of an answer; without one the terminal stood in, or says something else."""
    body = begun.entry.body
    assert isinstance(body, SaleStep)
    if answer is not None:
        body = with_members(
            body,
            main=answer.main,
            main_after=answer.main_after,
            subsidy=answer.subsidy,
            subsidy_after=answer.subsidy_after,
            approval=to_base64url(sha256_of(b"the signed answer")),
        )
    return till.append(kind, with_members(body, prepared=Seq(begun.seq)))


def given_back(till: Till, sold: Sealed, cents: int) -> Sealed:
    """A refund of a sale: of a token's always pending credit."""
    body = sold.entry.body
    assert isinstance(body, SaleStep)
    back = RefundStep(body.card, Cents(cents), merchant=MERCHANT, of=body.prepared, to=RefundTo.PENDING)
    return till.append(Kind.REFUND_SETTLED, back)


def question(till: Till, begun: Sealed) -> Ask:
    """What the terminal asks about a sale."""
    body = begun.entry.body
    assert isinstance(body, SaleStep)
    return Ask(till.epoch, till.tno, begun.seq, to_base64url(begun.hash), body.card, body.amount, body.proof)


async def ask(desk: Desk, till: Till, asked: Ask) -> Answer | None:
    """The server's answer, its signature checked."""
    raw = await desk.house.tokens.answer(till.tid, encode_question(asked))
    return verified(raw, Answer, desk.house.keys.ack.public) if raw else None


async def who(desk: Desk, till: Till, uid: str) -> Known | None:
    """Whose a UID is."""
    nonce = to_base64url(sha256_of(uid.encode()))
    raw = await desk.house.tokens.answer(till.tid, encode_question(Who(nonce, uid)))
    known = verified(raw, Known, desk.house.keys.ack.public) if raw else None
    assert known is None or (known.nonce, known.tid) == (nonce, till.tid)
    return known


async def new_token(desk: Desk, cents: int, uid: str = UID, card_class: int = 1) -> CardId:
    """A token with a UID and money on it."""
    form = {"technology": "token", "card_class": card_class}
    no = int((await desk.post("/cards", form, expect=201))["numbers"][0])
    if cents:
        await desk.post(f"/cards/{no}/loads", {"id": f"first-load-{no}", "cents": cents})
    await desk.put(f"/tokens/{uid}", {"no": no})
    return token_id(no)


async def purse_of(desk: Desk, card: CardId) -> tuple[int, int]:
    """Main and subsidy by the ledger."""
    row = (await desk.get(f"/cards/{card.no}"))["plastics"][card.generation - 1]
    return row["main_cents"], row["subsidy_cents"]
