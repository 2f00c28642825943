"""What services write in English comes in all languages: held against the sources that write it, and kind by kind."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol.authorise import OTHER_CARD, SEVERAL_CARDS, Refusal
from protocol.card_bodies import Erased, Rekeyed
from server.alarms.rules import AlarmKind
from server.ingest.book import CaseClass
from server.ledger.accounts import AccountKind
from server.ledger.rules import Resolution
from server.reconcile.facts import Difference
from server.web.language import SENTENCES, Language
from server.web.said import said, translated
from terminal.alarms import Of
from terminal.offline import OfflineCause
from terminal.policy_store import Reason

SERVER = Path(__file__).resolve().parents[2] / "server"
ENGLISH = [words[0] for key, words in SENTENCES.items() if key.startswith("said.")]
CHINESE = [language for language in Language if language is not Language.EN]
WRITERS = [
    "ingest/waiting.py",
    "ingest/steps.py",
    "ingest/totals.py",
    "ingest/on_tokens.py",
    "ingest/shifts.py",
    "ingest/deciding.py",
    "ingest/giving_back.py",
    "ingest/posting.py",
    "ingest/holes.py",
    "ingest/book.py",
    "ingest/rules.py",
    "ingest/alarming.py",
    "ingest/journal_files.py",
    "audit/rules.py",
    "reconcile/findings.py",
    "reconcile/refusals.py",
    "reconcile/rules.py",
    "reconcile/float_proof.py",
    "reconcile/store_cases.py",
    "watch.py",
    "nightly.py",
    "enrolment/rules.py",
]
"""Where sentences are written that a page shows."""
STANDS_FOR, WORDS_MIN = "7", 2
"""For what differs, in a sentence of a source."""
ALARMS: dict[AlarmKind, str] = {
    AlarmKind.CHAIN_BREAK: "after entry 7: the chain goes on twice; it is the last further history that is taken",
    AlarmKind.HISTORIES: "its journal goes on in more ways than are kept; nothing was taken",
    AlarmKind.REFUSED_BATCH: "a batch was refused: not signed by the journal key of this epoch",
    AlarmKind.QUARANTINE: "revoked, it brought entries 3 to 9; they are kept aside",
    AlarmKind.LOST_SPEAKS: (
        "epoch 1 was declared lost, and entries 3 to 4 of it came; its entries are posted. Find it: in your "
        "hands, enrol "
        "it anew; in a stranger's, revoke it (POST /terminals/till-1/revoke: entries of every epoch then wait"
        " for two people)"
    ),
    AlarmKind.ENTRY_WAITS: (
        "2 entries are not posted, of them entry 5: the terminal has no right to this; two people may let it "
        "be posted. "
        "GET /terminals/till-1/parked shows them, POST /terminals/till-1/accept-quarantined lets them in"
    ),
    AlarmKind.CLOCK_OFF: "the server's clock jumped by -1,200 s",
    AlarmKind.BACKLOG: "12,000 entries are not here yet",
    AlarmKind.TERMINAL_SAYS: (
        "history: other_history: the server holds other entries; enrol again; lists: older: manifest 3"
    ),
    AlarmKind.TERMINAL_SILENT: "not heard of for 30 hours",
    AlarmKind.SERVER_RESTORED: "restored from the backup of 2026-11-26T09:14:02+00:00; the server's epoch is now 2",
    AlarmKind.TERMINAL_UNKNOWN: (
        "till-1 says hello with epoch 2, number 7, 19 entries, and no such epoch is here; it holds our ack "
        "for entry 19, so "
        "this server was restored. Where a restore has forgotten it: PUT /terminals/till-1 with its site, "
        "title, merchant "
        "and rights, then POST /grants with the line of grant.jws in its data directory; else enrol it anew"
    ),
    AlarmKind.GRANT_ADOPTED: "the forgotten grant of epoch 2 was adopted: was this server restored?",
    AlarmKind.NO_PARTICULARS: (
        "put back by its grant alone: merchant, title and rights are not known. PUT /terminals/till-1 says them; until "
        "then its sales are paid to whom its own entries name, and loads of it wait for two people"
    ),
    AlarmKind.CLAIM_TURNED_AWAY: (
        "an enrolment from 10.0.0.7 was turned away: this code was tried 5 times; make a new one at the desk"
    ),
    AlarmKind.OTHER_WORDS: "tom compared other words than machine 3's, which was turned away",
    AlarmKind.OTHER_TIER: "the journal key of epoch 2 was of tier 1, it says 0",
    AlarmKind.OTHER_DAYS: "its [campus] says offset_min 0, day_starts_min 0; the server's 480 and 240",
    AlarmKind.BROKER_DEAF: (
        "Mosquitto of /x/broker cannot be told of a change: it does not run. Start it with this directory's "
        "mosquitto.conf; "
        "if it ends at once, it says why. It is tried again every second."
    ),
    AlarmKind.BROKER_DOWN: "there is no connection to the broker; terminals sell on",
    AlarmKind.REVOCATIONS_OLD: "the broker believes the list of revocations for 29 more days, then nobody",
    AlarmKind.DISK_LOW: "1,024 MiB are free on the disk of /data",
    AlarmKind.NIGHT_NOT_DONE: "business day 20785 is not proved; the log says what failed",
    AlarmKind.RECORD_CHANGED: "not as it was sealed: posting/12, trail/7, and 4 more",
    AlarmKind.SITE_UNSERVED: "no ingest worker has had it for 60 s; its terminals sell on",
}
FINDINGS: dict[Difference, str] = {
    Difference.SILENT_TILL: "spent at a terminal that has not reported past this tap",
    Difference.SILENT_LOADER: "value from a terminal that has not reported past this tap; corrected",
    Difference.OVERDUE: "it came after the card's rest was paid out",
    Difference.GAP: "a correction of more than the difference",
    Difference.OPEN: "prepared, its terminal has not said how it ended",
    Difference.TORN: "torn, and no later tap proves what became of it",
    Difference.DEBITED_NOT_DELIVERED: "debited and not handed over: credited to its holder",
    Difference.DUPLICATE: "an outcome of a step that was decided before",
    Difference.FALLBACK: "the card forgot this step; exchange it; corrected",
    Difference.FORK: "a second use of this counter",
    Difference.BALANCE_CONTRADICTION: "inconsistent: balances move by -500, the amount says -400",
    Difference.CARD_ABOVE_LEDGER: "value that no terminal can have brought",
    Difference.PURSE_UNREADABLE: "no slot of this card is valid: the card office restores it from the ledger",
    Difference.LOAD_UNMATCHED: "the card had collected a load that the server had forgotten",
    Difference.SHIFT_DIFFERENCE: (
        "shift 3: li at till-1 counted 190.00 where the books expected 200.00: 10.00 too little"
    ),
    Difference.PROVIDER_DIFFERENCE: "clearing alipay: 'bill 7' says 10.00, the books say 12.00",
    Difference.CHAIN_BREAK: "the card names an entry that is held and says something else",
    Difference.HOLE: "kept and not booked: unreadable: 7",
    Difference.REFUSED: (
        "below_floor, 3 times: it shows an older state than is known: a copy put back, or a step that the "
        "card forgot; it "
        "showed 12.00, the books say 8.00; every step there has its outcome"
    ),
    Difference.LEDGER_BROKEN: "the postings of one cause do not sum to zero",
}
CASES: dict[CaseClass, str] = {
    CaseClass.FORK: "the counter was used twice",
    CaseClass.FALLBACK: "the card forgot a step; exchange it",
    CaseClass.CONTRADICTION: "decided as on_card, and a tap proves not_on_card",
    CaseClass.LOAD_UNMATCHED: (
        "a terminal tells of a load that this server does not know; nothing is believed without its record"
    ),
    CaseClass.DEBITED_NOT_DELIVERED: "no proof in time",
    CaseClass.TORN: "decided as student, and a tap proves on_card: what was given is our loss",
    CaseClass.CHAIN_FORK: "the bytes of an entry are not those that came in",
    CaseClass.OVER_REFUND: "no settled sale of the card is known",
    CaseClass.PURSE_UNREADABLE: FINDINGS[Difference.PURSE_UNREADABLE],
    CaseClass.HOLE: "entries 3 to 9 are missing; two people may book the hole",
    CaseClass.CARD_ABOVE_LEDGER: FINDINGS[Difference.CARD_ABOVE_LEDGER],
    CaseClass.LEDGER_BROKEN: FINDINGS[Difference.LEDGER_BROKEN],
    CaseClass.SHIFT_DIFFERENCE: "vault: 'count 7' says 10.00, the books say 12.00",
    CaseClass.PROVIDER_DIFFERENCE: FINDINGS[Difference.PROVIDER_DIFFERENCE],
    CaseClass.STUCK: "settling a closed card: KeyError; the log says more",
}
REFUSALS = ("NotFound", "Invalid", "Conflict", "Forbidden", "TooOften", "super().__init__")
NAMES = frozenset(["Mosquitto", "KeyError", "MiB", "campus", "alipay", "tom", "bill", "count", "and"])
"""Words of no language, in the samples."""
CODES = {
    "refusal.": [*Refusal, OTHER_CARD, SEVERAL_CARDS],
    "erased.": [*Erased, *Rekeyed],
    "account.": list(AccountKind),
    "verdict.": list(Resolution),
    "terminal_says.": list(Of),
    "terminal_code.": [*Reason, *(cause for cause in OfflineCause if cause.is_alarm)],
}


@pytest.mark.parametrize("language", CHINESE)
def test_every_kind_is_told_in_every_language(language: Language) -> None:
    assert set(ALARMS) == set(AlarmKind) and set(FINDINGS) == set(Difference) and set(CASES) == set(CaseClass)
    for kind, text in (*ALARMS.items(), *FINDINGS.items(), *CASES.items()):
        told = translated(language, text)
        assert told is not None, f"{kind}: {text}"
        left = re.sub(
            r'<span lang="en">.*?</span>|till-1|[A-Z]{3,4} /\S+|\S*[/.]\S*|offset_min|day_starts_min', "", told
        )
        words = set(re.findall(r"[A-Za-z]{3,}", left)) - NAMES
        assert not words, f"{kind}: {told}"


def test_every_code_has_its_words() -> None:
    wanted = {f"{start}{code}" for start, codes in CODES.items() for code in codes}
    assert not wanted - SENTENCES.keys()


def test_every_refusal_is_told_in_every_language() -> None:
    codes = {code: text for path in SERVER.rglob("*.py") for code, text in refusals(ast.parse(path.read_text()))}
    assert len(codes) > 100
    told = {code for code, text in codes.items() if translated(Language.ZH_HANS, text) is not None}
    assert not {code for code in codes if not {f"problem.{code}", f"refused.{code}"} & SENTENCES.keys()} - told


def refusals(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Codes of problems, and what the server says of each."""
    for node in ast.walk(tree):
        is_error = isinstance(node, ast.Call) and ast.unparse(node.func).removesuffix("Error") in REFUSALS
        if isinstance(node, ast.Call) and is_error and node.args and isinstance(node.args[0], ast.Constant):
            text = node.args[1] if len(node.args) > 1 else node.args[0]
            yield str(node.args[0].value), _spelled(text)


def test_figures_names_and_dates_stand_in_the_sentence() -> None:
    told = said(Language.ZH_HANS, FINDINGS[Difference.SHIFT_DIFFERENCE])
    assert told == "第 3 班：till-1 的 li 实点 190.00，账面应有 200.00，短款 10.00"
    assert "营业日 2026-11-28 尚未对账" in said(Language.ZH_HANS, ALARMS[AlarmKind.NIGHT_NOT_DONE])
    assert "支付" not in said(Language.ZH_HANT, FINDINGS[Difference.PROVIDER_DIFFERENCE])


def test_english_stays_as_it_was_written_and_what_is_unknown_is_marked() -> None:
    assert said(Language.EN, "a < b") == "a &lt; b"
    assert said(Language.ZH_HANS, "a < b") == '<span lang="en">a &lt; b</span>'
    assert said(Language.ZH_HANS, "unreadable: <b>") == "无法读取：&lt;b&gt;"


def sentences(tree: ast.Module) -> Iterator[str]:
    """What a source says to people: its texts of several words, but for docstrings, logs, errors and asserts."""
    left_out: set[ast.AST] = set()
    for node in ast.walk(tree):
        is_log = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and ast.unparse(node.func.value) == "log"
        )
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_log or is_text or isinstance(node, ast.Raise | ast.Assert):
            left_out |= set(ast.walk(node))
        if isinstance(node, ast.JoinedStr):
            left_out |= set(ast.walk(node)) - {node}
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield _spelled(node)


def _spelled(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else STANDS_FOR for part in node.values)
    return str(node.value) if isinstance(node, ast.Constant) else STANDS_FOR


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_source_writes_is_known(name: str) -> None:
    said_there = [text for text in sentences(ast.parse((SERVER / name).read_text())) if len(text.split()) > WORDS_MIN]
    assert not [text for text in said_there if not _is_known(text)]


def _is_known(text: str) -> bool:
    """As a whole, or as a part that is put together with others."""
    part = re.compile(".*".join(re.escape(piece) for piece in text.strip("; ").split(STANDS_FOR)))
    return translated(Language.ZH_HANS, text) is not None or any(map(part.search, ENGLISH))
