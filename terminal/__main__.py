"""Start a terminal: `python -m terminal --config FILE`. Commands come from standard input, `help` names them.

Before its first start it is enrolled (docs/enrolment.md): `--enrol URL` with a claim code from the desk. Without a
network to the server `--new-key DIR` makes a journal and its key and prints the public key for the server, and
`--take-grant DIR` keeps the server's answer, which comes from standard input.
`python -m terminal cards ...` looks at a card, or starts with work on cards (`terminal/cards_command.py`),
`card-keys ...` asks for the keys of the cards and installs them (`terminal/card_keys_command.py`), `labels ...` labels
(`terminal/labels_command.py`).
"""

import argparse
import asyncio
import logging
import platform
import sys
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from protocol.signing import to_base64url
from protocol.texts import sentence_of
from terminal import card_keys_command, cards_command, labels_command
from terminal.app import run
from terminal.claim import enrol
from terminal.config import Config, ConfigWrong, NoCardKeys, read_config
from terminal.console import standard_console
from terminal.enrol import new_key, take_grant
from terminal.identity import GRANT_FILE, JOURNAL_FILE, Identity, IdentityError
from terminal.key_tiers import TierName, keys_of
from terminal.languages import NoSuchLanguage, Spoken
from terminal.ports import JournalError, JournalInUse
from terminal.preferences import keep_preferences, painted, read_preferences
from terminal.rescue import NothingToRescue, rescue
from terminal.sdl import prepare_sdl
from terminal.server_http import ServerAt

OK, WRONG_CONFIG, NO_IDENTITY, IN_USE, JOURNAL = 0, 2, 3, 4, 5


def main() -> int:
    """Run until `quit`, SIGTERM or SIGINT. Returns 0; or another number and one sentence for a technician."""
    arguments, first = cards_command.terminal_for(sys.argv[1:])
    commands = {"cards": cards_command.main, "card-keys": card_keys_command.main, "labels": labels_command.main}
    if arguments and arguments[0] in commands:
        return commands[arguments[0]](arguments[1:], _say, _warn)
    parser = argparse.ArgumentParser(
        prog="python -m terminal", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config", type=Path, metavar="FILE", help="sell; a TOML file, docs/terminal.toml shows one")
    what.add_argument("--rescue", type=Path, metavar="DIR", help="write a dead terminal's journal to standard output")
    what.add_argument("--new-key", type=Path, metavar="DIR", help="begin an epoch: print a new journal's public key")
    what.add_argument("--take-grant", type=Path, metavar="DIR", help="keep the grant that the server answered")
    what.add_argument(
        "--enrol", metavar="URL", help="become the terminal that a claim code is for; needs --code, --data"
    )
    parser.add_argument("--code", default="", help="the claim code from the desk, such as 4T7QX-W2M9K")
    parser.add_argument("--data", type=Path, metavar="DIR", help="where this terminal keeps its journal and its keys")
    parser.add_argument(
        "--key-tier", choices=[str(name) for name in TierName], default=str(TierName.FILE),
        help="where the journal key of --enrol or --new-key is kept (docs/keys.md); `key_tier` says it for --config",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object a line, for programs")
    parser.add_argument("--verbose", action="store_true", help="say on standard error what goes on")
    options = parser.parse_args(arguments)
    tier = TierName(options.key_tier)
    level = logging.INFO if options.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        if options.config:
            _sell(options.config, first, as_json=options.json)
        elif options.rescue:
            return _rescue(options.rescue)
        elif options.enrol:
            if not options.code or not options.data:
                parser.error("--enrol needs --code CODE and --data DIR")
            keys, server = keys_of(tier), ServerAt(options.enrol)
            _enrolled(enrol(options.data, server, options.code, platform.node(), _say, keys=keys))
        elif options.new_key:
            print(to_base64url(new_key(options.new_key, keys_of(tier)).raw))
        else:
            _enrolled(take_grant(options.take_grant, sys.stdin.buffer.read(), keys_of(tier)))
    except ConfigWrong as error:
        return _failed(error, WRONG_CONFIG)
    except IdentityError as error:
        return _failed(error, NO_IDENTITY)
    except JournalInUse as error:
        return _failed(error, IN_USE)
    except JournalError as error:
        return _failed(error, JOURNAL)
    except OSError as error:
        return _failed(error, JOURNAL)
    return OK


def _sell(path: Path, first: str, *, as_json: bool) -> None:
    if not _is_terminal(path):
        return
    config = read_config(path)
    words = _spoken(path, config)
    console = standard_console(words, as_json=as_json)
    asyncio.run(run(config, words, console, sys.stdin.fileno(), first=first))


def _is_terminal(path: Path) -> bool:
    """Whether it may sell now: where there is a screen and nobody has enrolled it, that is done there first."""
    config = read_config(path, with_card_keys=False)
    if config.screen is None or (config.directory / GRANT_FILE).exists():
        return True
    prepare_sdl()
    from terminal.enrol_screen import EnrolScreen
    from terminal.window import ScreenUnusable

    def missing() -> str:
        try:
            read_config(path).card_keys.close()
        except NoCardKeys:
            return words["enrol.no_card_keys"]
        except ConfigWrong as error:
            return str(error)
        return ""

    words = _spoken(path, config)
    screen = painted(config.screen, config.directory)

    async def enrolled() -> bool:
        return await EnrolScreen(config, screen, words).run(missing)

    try:
        may_sell = asyncio.run(enrolled())
    except ScreenUnusable as error:
        raise ConfigWrong(
            f"{path}: screen: {error}. Enrol at the console: --enrol URL --code CODE --data DIR"
        ) from error
    if may_sell:
        keep_preferences(config.directory, replace(read_preferences(config.directory), language=words.language))
    return may_sell


def _spoken(path: Path, config: Config) -> Spoken:
    """What was chosen at the screen, else what the settings say. Raises ConfigWrong."""
    try:
        words = Spoken(config.language)
    except NoSuchLanguage as error:
        raise ConfigWrong(f"{path}: {error}") from error
    with suppress(NoSuchLanguage):
        words.speak(read_preferences(config.directory).language or config.language)
    return words


def _rescue(directory: Path) -> int:
    try:
        found = rescue(directory)
    except NothingToRescue as error:
        return _failed(error, NO_IDENTITY)
    notes = [f"# {'; '.join(found.faults)}".encode()] if found.faults else []
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in [*found.lines, *notes]))
    _warn(f"{len(found.lines)} entries were read")
    if not found.had_log:
        _warn(f"no {JOURNAL_FILE}-wal lay beside {JOURNAL_FILE}: if the terminal had one, its newest entries are there")
    if found.faults:
        return _failed("; ".join(found.faults), JOURNAL)
    if not found.lines:
        return _failed(f"the journal in {directory} holds no entry; copy its whole directory", NO_IDENTITY)
    return OK


def _say(text: str) -> None:
    print(text, flush=True)


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _enrolled(identity: Identity) -> None:
    grant = identity.grant
    print(f"{grant.tid} is enrolled: epoch {grant.epoch}, number {grant.tno}, site {grant.site}")


def _failed(error: Exception | str, code: int) -> int:
    print(f"fanka terminal: {sentence_of(error) if isinstance(error, Exception) else error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
