"""`python -m terminal card-keys`: ask the card keys' vault for keys, and install what it delivers (docs/card-keys.md).

request   write what the vault is asked for to standard output
install   take a delivery; it holds from the next start on
show      the key sets that are held here

Files travel by a stick; no key is in a request, and only this terminal opens a delivery.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import msgspec

from protocol.card_key_delivery import (
    CardKeyRequest,
    Holder,
    NotDelivered,
    RequestFile,
    open_delivery,
    read_delivery,
)
from protocol.enrolment import four_words
from protocol.messages import sign
from protocol.sealing import public_of
from protocol.signing import to_base64url
from protocol.texts import sentence_of
from terminal.card_key_files import CardKeysUnusable, keep_delivered, read_delivered, sealing_key
from terminal.config import Config, ConfigWrong, May, read_config
from terminal.identity import Identity, IdentityError, load_identity

OK, WRONG_CONFIG, NO_IDENTITY, NOT_TAKEN = 0, 2, 3, 8

Say = Callable[[str], object]


def main(arguments: list[str], say: Say, warn: Say) -> int:
    """Do what the arguments after `card-keys` ask for.

    Returns 0; 2 for a wrong configuration, 3 where the terminal is not enrolled, 8 for a delivery that is refused.
    """
    given = _parser().parse_args(arguments)
    try:
        config = read_config(given.config, with_card_keys=given.what == "show")
        if given.what == "show":
            say(f"sets {', '.join(map(str, config.card_keys.key_sets))}, held as {holder_of(config.may)}")
            return OK
        identity = load_identity(config.directory, config.journal_keys)
        if given.what == "request":
            _request(config, identity, say, warn)
        else:
            _install(config, identity, given.file, say, warn)
    except ConfigWrong as error:
        return _failed(warn, error, WRONG_CONFIG)
    except IdentityError as error:
        return _failed(warn, error, NO_IDENTITY)
    except (NotDelivered, CardKeysUnusable, OSError) as error:
        return _failed(warn, error, NOT_TAKEN)
    return OK


def holder_of(may: frozenset[May]) -> Holder:
    """What a terminal is, as far as card keys go, by what it may do."""
    if May.OFFICE in may:
        return Holder.OFFICE
    return Holder.STATION if may & {May.LOAD, May.TOPUP} else Holder.TILL


def _request(config: Config, identity: Identity, say: Say, warn: Say) -> None:
    """Always for the same key: what was asked for once may be delivered more than once."""
    key = to_base64url(public_of(sealing_key(config.directory, may_create=True)))
    grant, holder = identity.grant, holder_of(config.may)
    asked = CardKeyRequest(grant.tid, grant.epoch, holder, key)
    file = RequestFile(sign(asked, identity.key).decode(), identity.grant_jws.decode(), identity.trust.jws.decode())
    say(msgspec.json.format(msgspec.json.encode(file)).decode())
    warn(f"{grant.tid}, epoch {grant.epoch}, {holder}. Compare these words with those at the vault:")
    warn(four_words(asked.text))


def _install(config: Config, identity: Identity, file: Path, say: Say, warn: Say) -> None:
    """Raises NotDelivered, CardKeysUnusable, OSError."""
    told = read_delivery(file.read_bytes().strip(), identity.trust.root)
    before = read_delivered(config.directory)
    secret = sealing_key(config.directory)
    installed = before.delivery if before else 0
    sets = open_delivery(told, identity.grant, holder_of(config.may), installed, secret)
    keep_delivered(config.directory, told.number, sets)
    numbers = ", ".join(str(table.key_set) for table in sets)
    say(f"delivery {told.number} is installed: sets {numbers}, from the next start on")
    if config.card_keys.key_sets:
        warn("Take the card keys out of the settings now: the terminal does not start with both")


def _failed(warn: Say, error: Exception, code: int) -> int:
    warn(f"fanka terminal: {sentence_of(error)}")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m terminal card-keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("request", "install", "show"):
        commands.add_parser(name).add_argument(
            "--config", type=Path, required=True, metavar="FILE", help="the terminal's TOML file"
        )
    commands.choices["install"].add_argument("file", type=Path, help="the delivery")
    return parser
