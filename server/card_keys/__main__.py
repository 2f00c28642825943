"""`python -m server.card_keys ...`: the master keys of the cards, on a machine without a network (docs/card-keys.md).

make VAULT                   make the next key set; prints its check values
split VAULT SET FILE FILE    its parts for two people, or with a third FILE for three
join VAULT FILE FILE         put a set together from its parts; - for one that is typed
forget VAULT SET             take a set's keys off this machine; the parts bring them back
withdraw VAULT SET           no terminal shall have this set any more
show VAULT                   which sets there are
wrap VAULT REQUEST --for till --root DIRECTORY
                             what a terminal shall hold, for it alone, signed by the root in this directory

No key is ever printed; a part is written to its file only, and typed without being shown. The machine needs the project
alone, without its extras.
"""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from pathlib import Path

from protocol.card_key_delivery import Holder
from protocol.card_keys import PARTS_MAX, PARTS_MIN, Tier
from protocol.instants import UtcMs
from protocol.texts import sentence_of
from server.card_keys.vault import (
    SetRow,
    VaultWrong,
    forget_set,
    join_set,
    known_sets,
    make_set,
    split_set,
    withdraw_set,
)
from server.card_keys.wrapping import wrap
from server.keys import KeysUnusable

OK, NOT_DONE = 0, 2
TYPED = "-"


def main(arguments: list[str], say: Callable[[str], None], warn: Callable[[str], None]) -> int:
    """Carry out one command. Returns 2 and says why where it was not done."""
    given = _parser().parse_args(arguments)
    try:
        _do(given, say, warn)
    except (VaultWrong, KeysUnusable, OSError) as error:
        warn(f"fanka card keys: {sentence_of(error)}")
        return NOT_DONE
    return OK


def _do(given: argparse.Namespace, say: Callable[[str], None], warn: Callable[[str], None]) -> None:
    match given.what:
        case "make":
            say(_shown(make_set(given.vault, _now())))
        case "split":
            _count(given.files)
            split_set(given.vault, given.set, [Path(name) for name in given.files])
            say(f"set {given.set} is in {len(given.files)} parts; all of them are needed to join it")
        case "join":
            _count(given.files)
            say(_shown(join_set(given.vault, [_text(name) for name in given.files], _now())))
        case "forget":
            forget_set(given.vault, given.set)
            say(f"the keys of set {given.set} are not here any more")
        case "withdraw":
            say(_shown(withdraw_set(given.vault, given.set)))
        case "wrap":
            wrapped = wrap(given.vault, given.request.read_bytes(), Holder(given.holder), given.root, _now())
            warn(wrapped.said)
            say(wrapped.delivery.decode())
        case _:
            for row in known_sets(given.vault):
                say(_shown(row))


def _now() -> UtcMs:
    return UtcMs(time.time_ns() // 1_000_000)


def _count(files: list[str]) -> None:
    if not PARTS_MIN <= len(files) <= PARTS_MAX:
        raise VaultWrong(f"a set has {PARTS_MIN} or {PARTS_MAX} parts, each with a file of its own")


def _shown(row: SetRow) -> str:
    return f"set {row.number} {row.state}: " + ", ".join(f"{tier} {row.check_values[tier]}" for tier in Tier)


def _text(name: str) -> str:
    """A part from its file, or typed: up to an empty line, and unseen where there is a screen."""
    if name != TYPED:
        return Path(name).read_text(encoding="ascii", errors="replace")
    lines: list[str] = []
    while len(lines) <= len(Tier):
        line = getpass.getpass(f"line {len(lines) + 1}: ") if sys.stdin.isatty() else sys.stdin.readline()
        if not line.strip():
            break
        lines.append(line.strip())
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server.card_keys", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    for name in ("make", "split", "join", "forget", "withdraw", "show", "wrap"):
        commands.add_parser(name).add_argument("vault", type=Path, help="where the sets and their register lie")
    for name in ("split", "forget", "withdraw"):
        commands.choices[name].add_argument("set", type=int)
    for name in ("split", "join"):
        commands.choices[name].add_argument("files", nargs="+", metavar="FILE")
    wrapping = commands.choices["wrap"]
    wrapping.add_argument("request", type=Path, help="the file that the terminal wrote")
    wrapping.add_argument("--for", dest="holder", choices=list(Holder), required=True, help="what the terminal is")
    wrapping.add_argument("--root", type=Path, required=True, help="where the root lies")
    return parser


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], print, _warn))
