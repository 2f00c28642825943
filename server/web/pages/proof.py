"""One journal entry as evidence: what was signed, by whom, what it continues, what it moved, and how to check it."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import RowMapping
from starlette.responses import HTMLResponse, Response

from protocol.entries import Entry
from protocol.ids import CardNo, Seq, Tno
from protocol.messages import Grant, NotAMessage, verified
from protocol.signing import to_base64url
from server.cards.service import Cards
from server.entries.rules import commands, key_pem, spelled
from server.entries.service import Entries, Evidence
from server.errors import NotFound
from server.fields import Branch, SeqNumber, TnoNumber
from server.ledger.service import Ledger
from server.people.service import People
from server.tree.rules import Head, Name, Source
from server.tree.schemas import RowProofView
from server.tree.service import Tree
from server.web.language import Language
from server.web.looking import looked_at_card
from server.web.page import AuditingPage, LookingPage, Page

router = APIRouter(prefix="/entries/{tno}/{branch}/{seq}")

Tn = Annotated[TnoNumber, Path()]
Br = Annotated[Branch, Path()]
Sq = Annotated[SeqNumber, Path()]


@router.get("")
async def show_proof(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> HTMLResponse:
    """Everything that proves an entry."""
    entries: Entries = page.house.entries
    found = await entries.evidence(tno, branch, seq)
    header, payload, signature = found.line.jws.split(b".")
    postings = await _postings(page, found)
    head = await _sealed(page, found)
    grant = bytes(found.chain["grant_jws"])
    return page.show(
        "proof/entry.html",
        {
            "found": found,
            "entry": found.checked.entry,
            "place": f"{tno}/{branch}/{seq}",
            "header": spelled(header),
            "payload": spelled(payload),
            "signature": signature.decode(),
            "particulars": _particulars(page, found),
            "holder": await _holder(page, found.checked.entry),
            "postings": postings,
            "sum_cents": sum(row["cents"] for row in postings),
            "head": head,
            "ack_key": to_base64url(page.house.keys.ack.public.raw),
            "commands": commands(found.line.jws, found.signer.key, "entry"),
            "key": to_base64url(found.signer.key.raw),
            "grant": spelled(grant.split(b".")[1]) if grant.count(b".") == 2 else "",
            "grant_holds": _grant_holds(page, found, grant),
            "grant_commands": commands(grant, page.house.keys.grant.public, "grant") if grant.count(b".") == 2 else "",
        },
    )


def _particulars(page: Page, found: Evidence) -> list[tuple[str, int]]:
    """The lines of a basket in the reader's language: product, what it came to."""
    entry = found.checked.entry
    told: list[tuple[str, int]] = []
    for line in getattr(entry.body, "lines", ()) if entry is not None else ():
        names = found.names.get(line.product)
        by = {Language.EN: "en", Language.ZH_HANS: "zh_hans", Language.ZH_HANT: "zh_hant"}
        name = getattr(names, by[page.language]) if names is not None else line.product
        told.append((f"{line.qty} × {name}", line.net_cents))
    return told


async def _holder(page: Page, entry: Entry | None) -> tuple[int, str]:
    """The card that an entry is about and its holder's name as it is now; zero: about none that is known here."""
    card = getattr(entry.body, "card", None) if entry is not None else None
    if card is None:
        return 0, ""
    office: Cards = page.house.cards
    people: People = page.house.people
    try:
        held = await office.get(CardNo(card.no))
        person = next(row["person"] for row in held.rows if row["generation"] == card.generation)
    except (NotFound, StopIteration):
        return 0, ""
    await looked_at_card(page, card.no, person)
    return int(card.no), (await people.get(person)).name if person is not None else ""


async def _postings(page: Page, found: Evidence) -> Sequence[RowMapping]:
    """What the operation moved: by the entry that began it, and by its outcome."""
    ledger: Ledger = page.house.ledger
    legs = [await ledger.postings_of_entry(Tno(tno), branch, Seq(seq)) for tno, branch, seq in found.places]
    by_id = {row["id"]: row for row in chain.from_iterable(legs)}
    return [by_id[number] for number in sorted(by_id)]


async def _sealed(page: Page, found: Evidence) -> Head | None:
    tree: Tree = page.house.tree
    return await tree.sealed_by(Name(Source.ENTRY, found.line.place))


def _grant_holds(page: Page, found: Evidence, grant: bytes) -> bool:
    """Whether the present key of this server signed the grant, and the grant names the key that is used here."""
    try:
        told = verified(grant, Grant, page.house.keys.grant.public)
    except NotAMessage:
        return False
    named = (told.tid, told.epoch, told.tno, told.key)
    return named == (found.signer.tid, found.signer.epoch, found.line.tno, to_base64url(found.signer.key.raw))


@router.get("/entry.jws")
async def download_entry(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """The bytes as the terminal signed them."""
    entries: Entries = page.house.entries
    line, _, _ = await entries.line(tno, branch, seq)
    return _file(line.jws, f"{_name(tno, branch, seq)}.jws", "application/jose")


@router.get("/key.pem")
async def download_key(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """The public key of the journal."""
    entries: Entries = page.house.entries
    _, signer, _ = await entries.line(tno, branch, seq)
    return _file(key_pem(signer.key).encode(), f"{signer.tid}-{signer.epoch}.pem", "application/x-pem-file")


@router.get("/grant.jws")
async def download_grant(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """What the server signed when it granted this journal's key its epoch."""
    entries: Entries = page.house.entries
    _, signer, grant = await entries.line(tno, branch, seq)
    return _file(grant, f"{signer.tid}-{signer.epoch}-grant.jws", "application/jose")


@router.get("/check.sh")
async def download_commands(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """The commands of the page as a file."""
    entries: Entries = page.house.entries
    found = await entries.evidence(tno, branch, seq)
    text = f"#!/bin/sh\nset -e\n{commands(found.line.jws, found.signer.key, 'entry')}"
    return _file(text.encode(), f"{_name(tno, branch, seq)}.sh", "text/x-shellscript")


@router.get("/row.json")
async def download_path(page: AuditingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """That it is sealed under the root of its night: the row and the path up, as `protocol audit` reads them."""
    tree: Tree = page.house.tree
    name = Name(Source.ENTRY, (tno, branch, seq))
    head = await _head(tree, name)
    found = await tree.prove_row(head.number, name)
    path = [to_base64url(each) for each in found.path]
    told = RowProofView(row=found.row, position=found.position, path=path)
    return _file(told.model_dump_json().encode(), f"{_name(tno, branch, seq)}-row.json", "application/json")


@router.get("/head.jws")
async def download_head(page: LookingPage, tno: Tn, branch: Br, seq: Sq) -> Response:
    """The signed root of the night that sealed it."""
    tree: Tree = page.house.tree
    head = await _head(tree, Name(Source.ENTRY, (tno, branch, seq)))
    return _file(head.jws, f"head-{head.number}.jws", "application/jose")


async def _head(tree: Tree, name: Name) -> Head:
    head = await tree.sealed_by(name)
    if head is None:
        raise NotFound("not_sealed", f"no night has sealed {name} yet")
    return head


def _name(tno: int, branch: int, seq: int) -> str:
    return f"entry-{tno}-{branch}-{seq}"


def _file(body: bytes, name: str, kind: str) -> Response:
    return Response(body, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
