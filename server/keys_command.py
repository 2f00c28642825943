"""`python -m server keys ...`: the server's keys, and the root that signs for them (docs/keys.md).

keys root DIRECTORY                make a root, on a machine of its own; prints its public key
keys request --config FILE         what the root shall sign (--rotate PURPOSE, --withdraw PURPOSE)
keys sign DIRECTORY REQUEST        sign it, with the root in this directory
keys install DOCUMENT --config FILE
                                   believe it from the next start on (--root KEY for the first one)
keys show --config FILE            the keys that terminals believe
"""

import argparse
from collections.abc import Callable
from pathlib import Path

from protocol.messages import PURPOSES
from protocol.signing import VerifyKey, from_base64url, to_base64url
from protocol.texts import sentence_of
from server.clock import utc_now
from server.config import ConfigWrong, read_settings
from server.key_ceremony import NotDone, install, make_root, read_request, request, shown, sign_request
from server.keys import KeysUnusable, trust_in
from server.place import authority_of

OK, NOT_DONE = 0, 2


def main(arguments: list[str], say: Callable[[str], None], warn: Callable[[str], None]) -> int:
    """Carry out one command. Returns 2 and says why where it was not done."""
    given = _parser().parse_args(arguments)
    try:
        _do(given, say, warn)
    except (ConfigWrong, KeysUnusable, NotDone, OSError) as error:
        warn(f"fanka server: {sentence_of(error)}")
        return NOT_DONE
    return OK


def _do(given: argparse.Namespace, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    match given.what:
        case "root":
            say(to_base64url(make_root(given.directory).raw))
        case "request":
            say(_request(given))
        case "sign":
            raw = given.file.read_bytes()
            warn(f"signing:\n{shown(read_request(raw))}")
            say(sign_request(given.directory, raw).decode())
        case "install":
            trust = install(_directory(given.config), given.file.read_bytes(), _root(given.root))
            say(f"version {trust.document.version} is believed from the next start on")
        case _:
            say(shown(trust_in(_directory(given.config)).document))


def _request(given: argparse.Namespace) -> str:
    """Before the very first start this makes the keys, and the site's authority with them."""
    directory, now = _directory(given.config), utc_now()
    if not directory.exists():
        authority_of(read_settings(given.config), now, may_create=True)
    return request(directory, now, given.rotate, given.withdraw).decode()


def _directory(config: Path) -> Path:
    return Path(read_settings(config).data) / "keys"


def _root(text: str | None) -> VerifyKey | None:
    try:
        return VerifyKey(from_base64url(text)) if text else None
    except ValueError as error:
        raise NotDone(f"--root: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("root", "sign"):
        commands.add_parser(name).add_argument("directory", type=Path, help="where the root lies")
    for name in ("request", "install", "show"):
        commands.add_parser(name).add_argument("--config", type=Path, required=True, help="the server's TOML file")
    for name in ("sign", "install"):
        commands.choices[name].add_argument("file", type=Path)
    commands.choices["install"].add_argument("--root", help="the root's public key, for the first document")
    for name in ("rotate", "withdraw"):
        commands.choices["request"].add_argument(f"--{name}", action="append", choices=PURPOSES, default=[])
    return parser
