"""The night after lunch: the server's proof, every journal against the server, every card against its books."""

import textwrap
import time
from pathlib import Path
from typing import Any

from protocol.instants import CampusTime, UtcMs
from tests.demo.audit import Books, books_of, cash_in_drawers, found_classes, journals_of, money_differences
from tests.demo.charges import Charge, charges_of, write_csv
from tests.demo.commentary import counted, yuan
from tests.demo.crowd import PURSE_CENTS, Student
from tests.demo.places import OFFICE
from tests.demo.scenes import Stage
from tests.demo.tables import Money, charged, evidence, night, sentence, totals
from tests.integration.campus import Till

WIDTH = 110


def prove(stage: Stage, offices: list[Till], output: Path) -> dict[str, Any]:
    """Prove the day, tell what was found, and answer what anybody would ask. Returns the summary."""
    say, campus = stage.say, stage.campus
    say.title("Night: the server proves every cent")
    tills = [*offices, *(counter.till for counter in stage.counters.values())]
    people = {student.no: student for student in stage.crowd.students}
    today = CampusTime().business_day(UtcMs(time.time_ns() // 1_000_000))
    paid_at_desk = len(people) * PURSE_CENTS
    journals = journals_of(tills)
    in_vault = paid_at_desk + cash_in_drawers(journals)
    campus.ask("PUT", f"/days/{today}/documents/vault", {"cents": in_vault, "document": "vault count"})
    proof = campus.ask("POST", f"/days/{today}/proof")
    books = books_of(journals, campus.directory / "server" / "data" / "server.db")
    differences = money_differences(campus, stage.crowd.students, journals, books)
    same = "entries of all journals, each byte for byte the same at the server"
    say.line(f"{books.entries} {same}: {books.lost} lost, {books.doubled} doubled")
    off = sum(what.startswith("card") for what in differences)
    say.line(
        f"{len(people) - off} of {len(people)} cards and phones hold what the ledger says; the copy does not count"
    )
    for what, cents in differences.items():
        say.line(f"UNEXPLAINED: {what}: {yuan(cents)}")

    places = {counter.till.tno: place.title for place, counter in stage.counters.items()}
    names = places | {office.tno: OFFICE for office in offices}
    charges = charges_of({(tno, names[tno]): entries for tno, entries in journals.items()})
    write_csv(output / "charges.csv", charges, people)
    money = Money(campus.ledger()["cents_by_kind"], paid_at_desk, books.cash_cents)
    _tell(stage, proof, charges, list(places.values()), names)
    say.plain("", *textwrap.wrap(sentence(money), WIDTH))
    _tell_files(stage, output)
    return _summary(stage, books, proof, differences, money, output)


def _tell(stage: Stage, proof: dict[str, Any], charges: list[Charge], places: list[str], names: dict[int, str]) -> None:
    people, say = {student.no: student for student in stage.crowd.students}, stage.say
    first_loads = {one.card: one.entry for one in reversed(charges) if one.what == "load"}
    shown = [one for one in charges if one.entry != first_loads.get(one.card)]
    say.title("Who was charged what: the students of the story")
    say.plain(*charged(shown, stage.cast, stage.parts, stage.told))
    say.title("What each place handed over, by what it was paid with")
    say.plain(*totals(charges, people, places))
    say.title("What the night's proof found")
    say.plain(*night(proof["findings"], people, names), "", *_in_words(stage, proof, charges, names))


def _in_words(stage: Stage, proof: dict[str, Any], charges: list[Charge], names: dict[int, str]) -> list[str]:
    """The same in sentences, from what the proof says."""
    by_entry = {one.entry: one for one in charges}
    said: list[str] = []
    for found in proof["findings"]:
        student = next((one for one in stage.crowd.students if one.no == found["card"]), None)
        steps = [by_entry.get(f"{tno}-{seq}") for tno, seq in evidence(found)]
        sales = [one for one in steps if one is not None]
        if student is None:
            said.append(f"Drawer: {found['text']}.")
        elif found["cls"] == "fork":
            said.append(_fork_in_words(student, found, sales, stage.campus.card(student.no)["status"]))
        elif found["cls"] == "debited_not_delivered":
            said.append(_torn_in_words(student, found, charges, names))
    return [line for one in said for line in textwrap.wrap(one, WIDTH, initial_indent="  ", subsequent_indent="    ")]


def _fork_in_words(student: Student, found: dict[str, Any], sales: list[Charge], status: str) -> str:
    both = " and at ".join(f"{one.place} ({yuan(one.cents)} for {one.items}, entry {one.entry})" for one in sales)
    return (
        f"Cloned card: {student.no}, of {student.name}. One and the same state of it has paid twice, at {both}. Both "
        f"merchants are paid, the campus bears {yuan(-found['amount'])}, and the card is {status} now."
    )


def _torn_in_words(student: Student, found: dict[str, Any], charges: list[Charge], names: dict[int, str]) -> str:
    tno, seq = evidence(found)[0]
    back = [one for one in charges if one.card == student.no and one.what == "load"][-1]
    return (
        f"Torn for good: {yuan(-found['amount'])} left card {student.no}, of {student.name}, at {names[tno]} (entry "
        f"{tno}-{seq}), and nothing was handed out; {yuan(back.cents)} went back onto the card (entry {back.entry})."
    )


def _tell_files(stage: Stage, output: Path) -> None:
    pictures = [path.stem for path in sorted((output / "pictures").glob("*.png"))]
    stage.say.plain(
        "",
        f"Everything is in {output}:",
        "  charges.csv   every sale and load of every student",
        f"  pictures/     {counted(len(pictures), 'picture')} of the tills' screens: {', '.join(pictures)}",
        "",
    )


def _summary(
    stage: Stage, books: Books, proof: dict[str, Any], differences: dict[str, int], money: Money, output: Path
) -> dict[str, Any]:
    classes = found_classes(proof)
    unexplained = abs(proof["unexplained_cents"]) + sum(map(abs, differences.values()))
    return {
        "students": len(stage.crowd.students),
        "sales": books.sales,
        "sold_cents": books.sold_cents,
        "entries": books.entries,
        "lost": books.lost,
        "doubled": books.doubled,
        "unexplained_cents": unexplained,
        "missing_cents": money.missing,
        "cloned_card": stage.cloned.no if stage.cloned else 0,
        "classes": classes,
        "seconds": round(stage.say.seconds, 1),
        "planted": dict(sorted(stage.planted.items())),
        "found": {cls: count for cls, count in sorted(classes.items()) if count},
        "directory": str(output),
    }
