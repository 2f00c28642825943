"""`python -m server import-cards FILE`: take over an old system's cards and balances (docs/card-office.md)."""

import argparse
import asyncio
import csv
import getpass
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

from protocol.ids import ChannelId
from protocol.money import format_cents
from protocol.texts import sentence_of
from server.app import open_house
from server.broker.authority import AuthorityUnusable
from server.config import ConfigWrong, Settings, read_settings
from server.db import DatabaseUnusable
from server.importing.rules import BadLine, FileWrong, OldCards, read_old_cards
from server.importing.service import Imported, Importing, sums_agree
from server.keys import KeysUnusable
from server.note import OPERATOR_LETTERS_MAX, Note, noted

OK, NOT_DONE, SUMS_DIFFER = 0, 2, 5
BAD_LINES_SHOWN_MAX = 200
AT_MACHINE = "machine"
"""What the trail has for roles where no token was shown: whoever may run programs on the server."""

Say = Callable[[str], None]


def main(arguments: list[str], say: Say, warn: Say) -> int:
    """Carry it out. Returns 2 and says why where nothing was imported, 5 where the sums do not agree afterwards."""
    given = _parser().parse_args(arguments)
    try:
        if given.numbers and given.numbers.exists():
            raise FileWrong(f"{given.numbers} exists: give another name for the numbers")
        raw = given.file.read_bytes()
        settings, old = read_settings(given.config), read_old_cards(raw)
        say(f"{given.file}: read as {old.encoding.upper()}; {len(old.cards):,} cards, {format_cents(old.cents)} in all")
        return asyncio.run(_import(settings, old, sha256(raw).hexdigest(), given, say, warn))
    except (AuthorityUnusable, ConfigWrong, DatabaseUnusable, FileWrong, KeysUnusable, OSError) as error:
        warn(f"fanka server: {sentence_of(error)}")
        return NOT_DONE


async def _import(
    settings: Settings, old: OldCards, digest: str, given: argparse.Namespace, say: Say, warn: Say
) -> int:
    async with open_house(settings) as house:
        importing = Importing(house.database, house.cards, house.people, house.clock, ChannelId(given.source))
        bad = sorted([*old.bad, *await importing.objections(old.cards)], key=lambda line: line.line)
        if bad:
            _complain(bad, warn)
            return NOT_DONE
        if given.dry_run:
            say("nothing was changed")
            say(f"if that is the old system's own sum, import with: --sum {format_cents(old.cents)}")
            return OK
        if given.sum != format_cents(old.cents):
            warn("fanka server: --sum is not what the file says: a second person reads it off the old system")
            return NOT_DONE
        who = getpass.getuser()[:OPERATOR_LETTERS_MAX]
        note = Note(who, AT_MACHINE, house.clock(), lambda: "import_cards", f"import/{given.source}", lambda: digest)
        with noted(note):
            done = await importing.run(old.cards, given.technology)
    if given.numbers:
        _write_numbers(given.numbers, old, done)
    say(f"{done.new:,} cards were taken over now, {len(old.cards) - done.new:,} were there before")
    agree = sums_agree(old.cards, done)
    say(
        f"file {format_cents(old.cents)}, ledger {format_cents(done.posted_cents)}: {'equal' if agree else 'NOT EQUAL'}"
    )
    return OK if agree else SUMS_DIFFER


def _complain(bad: Sequence[BadLine], warn: Say) -> None:
    for line in bad[:BAD_LINES_SHOWN_MAX]:
        warn(f"line {line.line}: {line.why}")
    more = len(bad) - BAD_LINES_SHOWN_MAX
    warn(f"nothing was imported: {len(bad):,} bad lines" + (f", {more:,} of them not shown" if more > 0 else ""))


def _write_numbers(path: Path, old: OldCards, done: Imported) -> None:
    """Old number, ours, whose, and which class: to make the cards from, and to label them. Raises FileExistsError."""
    with path.open("x", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("old", "card", "person", "name", "class"))
        writer.writerows(
            (card.number, done.numbers[card.number], card.person, card.name, card.card_class.name.lower())
            for card in old.cards
        )


def _source(text: str) -> str:
    if not re.fullmatch("[a-z0-9-]{1,16}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a system: write 1 to 16 of a-z, 0-9 and -")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m server import-cards", description=__doc__)
    parser.add_argument("file", type=Path, help="CSV with card, person, name, class, balance")
    parser.add_argument("--config", type=Path, required=True, help="the server's TOML file")
    parser.add_argument("--dry-run", action="store_true", help="only say what is in it and what is wrong with it")
    parser.add_argument("--sum", default="", help="what the old system says all balances are together, as 12345.60")
    parser.add_argument("--source", type=_source, default="old-system", help="name of the old system in the ledger")
    parser.add_argument("--technology", choices=["", "classic", "desfire"], default="", help="of the new cards")
    parser.add_argument("--numbers", type=Path, metavar="FILE", help="write a CSV of old and new numbers")
    return parser
