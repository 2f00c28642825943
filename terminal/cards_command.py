"""`python -m terminal cards`: look at a card, which writes neither card nor journal, or begin work at the card office.

detect   what lies on the reader and whose it is
read     everything on it, and whether it is consistent
sam      the chip that holds the card keys, where the settings name one; no card is needed

For these the keys of a till are enough, and the machine need not be enrolled. All others start this terminal with that
command typed first; it is journaled as ever, `help` and `quit` go on from there:

replace NUMBER GENERATION CLASS   make a card
batch FILE, batch FIRST LAST CLASS   make those of a list
load     put on cards what waits for them
rekey    give cards the newest keys (for a card with a PIN type `rekey PIN` inside)
close, close owed   empty cards that are handed in
erase    make blanks of empty cards

A running terminal has the reader for itself; it is stopped first, or has another one.
"""

import argparse
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from hardware.cards.read_out import ReadOut, read_out
from hardware.ports import CardLeftField, CardReader, DeviceError, SamFailed, SeveralCards
from protocol.signing import Verifier
from terminal.card_checks import findings
from terminal.card_reader import reader_of
from terminal.card_report import detected_data, detected_lines, is_tag, report_data, report_lines
from terminal.config import Config, ConfigWrong, read_config
from terminal.identity import IdentityError, load_identity
from terminal.languages import NoSuchLanguage, words_of
from terminal.views import Words

OK, WRONG_CONFIG, NO_CARD, NO_READER = 0, 2, 6, 7
WAIT_S, WAIT_S_MAX = 30, 3_600
WORK = ("replace", "batch", "load", "rekey", "close", "erase")
"""What is done by a terminal that is started for it."""

Say = Callable[[str], object]


def main(arguments: list[str], say: Say, warn: Say, reader: CardReader | None = None) -> int:
    """Do what the arguments after `cards` ask for. `reader`: another one than the configuration names.

    Returns 0; 2 for a wrong configuration, 6 when no card came or it left too early, 7 without a reader.
    """
    given = _parser().parse_args(arguments)
    try:
        config = read_config(given.config)
        words = words_of(config.language)
    except (ConfigWrong, NoSuchLanguage) as error:
        warn(f"fanka terminal: {error}")
        return WRONG_CONFIG
    if given.what == "sam":
        return _tell_sam(config, words, say, warn, as_json=given.json)
    if not given.json:
        warn(words["cards.put"])
    try:
        with ExitStack() as stack:
            stack.callback(config.card_keys.close)
            out = _look(reader or stack.enter_context(reader_of(config)), config, given.wait)
    except CardLeftField:
        warn(words["office.left"])
        return NO_CARD
    except SeveralCards:
        warn(words["advice.several_cards"])
        return NO_CARD
    except SamFailed as error:
        warn(words["cards.no_sam"].format(why=error))
        return NO_READER
    except DeviceError as error:
        warn(words["cards.no_reader"].format(why=error))
        return NO_READER
    if out is None:
        warn(words["cards.no_card"].format(seconds=given.wait))
        return NO_CARD
    _tell(out, config, words, say, everything=given.what == "read", as_json=given.json)
    return OK


def terminal_for(arguments: list[str]) -> tuple[list[str], str]:
    """Where `cards` asks for work: how to start the terminal, and what is typed there first. Else what was given."""
    if arguments[:1] != ["cards"] or not set(arguments[1:2]) & set(WORK):
        return arguments, ""
    parser = _bare_parser()
    parser.add_argument("what", nargs="+", help="the command and what belongs to it")
    parser.add_argument("--verbose", action="store_true", help="say on standard error what goes on")
    given = parser.parse_args(arguments[1:])
    if given.what[0] == "rekey" and given.what[1:]:
        parser.error("a PIN is typed at the terminal, where nobody lists what programs were started with")
    flags = [f"--{flag}" for flag in ("json", "verbose") if getattr(given, flag)]
    return ["--config", str(given.config), *flags], " ".join(given.what)


def _bare_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m terminal cards", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the terminal's TOML file")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, for programs")
    return parser


def _parser() -> argparse.ArgumentParser:
    parser = _bare_parser()
    parser.add_argument("what", choices=["detect", "read", "sam"])
    parser.add_argument(
        "--wait", type=_seconds, default=WAIT_S, metavar="SECONDS", help=f"for a card, so long; {WAIT_S} if not said"
    )
    return parser


def _seconds(text: str) -> int:
    if not re.fullmatch("[0-9]{1,4}", text) or int(text) > WAIT_S_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is no time to wait: write whole seconds, 0 to {WAIT_S_MAX}")
    return int(text)


def _look(reader: CardReader, config: Config, wait_s: int) -> ReadOut | None:
    """The card that lies there or comes; None when none did. Raises CardLeftField, SeveralCards, ReaderUnplugged."""
    channel = reader.wait_for_card(wait_s)
    return None if channel is None else read_out(channel, config.card_keys)


def _tell(out: ReadOut, config: Config, words: Words, say: Say, *, everything: bool, as_json: bool) -> None:
    everything = everything and not is_tag(out)
    found = findings(out.read, config.key_set_new, _load_key(config)) if out.read and everything else ()
    if as_json:
        say(msgspec.json.encode(report_data(out, found) if everything else detected_data(out)).decode())
        return
    for line in report_lines(out, found, words) if everything else detected_lines(out, words):
        say(line)


def _tell_sam(config: Config, words: Words, say: Say, warn: Say, *, as_json: bool) -> int:
    in_sam = config.card_keys.in_sam
    if in_sam is None:
        warn(words["cards.no_sam"].format(why="settings: [sam]"))
        return WRONG_CONFIG
    try:
        version = in_sam.sam.version()
    except SamFailed as error:
        warn(words["cards.no_sam"].format(why=error))
        return NO_READER
    finally:
        config.card_keys.close()
    told = {"generation": version.generation, "reader": in_sam.sam.reader, "uid": version.uid.hex()}
    say(msgspec.json.encode(told).decode() if as_json else words["cards.sam"].format(**told))
    return OK


def _load_key(config: Config) -> Verifier | None:
    """The server's key for load records, where this machine is enrolled."""
    try:
        return load_identity(config.directory, config.journal_keys).trust.load
    except IdentityError:
        return None
