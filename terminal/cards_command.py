"""`python -m terminal cards`: look at a card where no terminal runs. It reads, and writes neither card nor journal.

detect   what lies on the reader and whose it is
read     everything on it, and whether it is consistent

The keys of a till are enough. A running terminal has the reader for itself; it is stopped first, or has another one.
"""

import argparse
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from hardware.cards.read_out import ReadOut, read_out
from hardware.ports import CardLeftField, CardReader, DeviceError
from protocol.signing import Verifier
from terminal.card_checks import findings
from terminal.card_reader import reader_of
from terminal.card_report import detected_data, detected_lines, report_data, report_lines
from terminal.config import Config, ConfigWrong, read_config
from terminal.identity import IdentityError, load_identity
from terminal.languages import NoSuchLanguage, words_of
from terminal.views import Words

OK, WRONG_CONFIG, NO_CARD, NO_READER = 0, 2, 6, 7
WAIT_S, WAIT_S_MAX = 30, 3_600

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
    if not given.json:
        warn(words["cards.put"])
    try:
        with ExitStack() as stack:
            out = _look(reader or stack.enter_context(reader_of(config)), config, given.wait)
    except CardLeftField:
        warn(words["office.left"])
        return NO_CARD
    except DeviceError as error:
        warn(words["cards.no_reader"].format(why=error))
        return NO_READER
    if out is None:
        warn(words["cards.no_card"].format(seconds=given.wait))
        return NO_CARD
    _tell(out, config, words, say, everything=given.what == "read", as_json=given.json)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m terminal cards", description=__doc__)
    parser.add_argument("what", choices=["detect", "read"])
    parser.add_argument("--config", type=Path, required=True, metavar="FILE", help="the terminal's TOML file")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    parser.add_argument(
        "--wait", type=_seconds, default=WAIT_S, metavar="SECONDS", help=f"for a card, so long; {WAIT_S} if not said"
    )
    return parser


def _seconds(text: str) -> int:
    seconds = int(text)
    if not 0 <= seconds <= WAIT_S_MAX:
        raise ValueError(text)
    return seconds


def _look(reader: CardReader, config: Config, wait_s: int) -> ReadOut | None:
    """The card that lies there or comes; None when none did. Raises CardLeftField, ReaderUnplugged."""
    channel = reader.wait_for_card(wait_s)
    return None if channel is None else read_out(channel, config.card_keys)


def _tell(out: ReadOut, config: Config, words: Words, say: Say, *, everything: bool, as_json: bool) -> None:
    found = findings(out.read, config.key_set_new, _load_key(config)) if out.read and everything else ()
    if as_json:
        say(msgspec.json.encode(report_data(out, found) if everything else detected_data(out)).decode())
        return
    for line in report_lines(out, found, words) if everything else detected_lines(out, words):
        say(line)


def _load_key(config: Config) -> Verifier | None:
    """The server's key for load records, where this machine is enrolled."""
    try:
        return load_identity(config.directory, config.journal_keys).trust.load
    except IdentityError:
        return None
