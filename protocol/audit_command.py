"""`python -m protocol audit`: check what a server has sealed, far from that server and trusting nobody there.

An auditor keeps heads and proofs where the server's people cannot reach. What the server answers later is held against
them. Exit status: 0 all holds; 1 something does not; 2 the command or a file makes no sense.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from protocol.canonical import NotCanonical, read_part
from protocol.merkle import Frontier, continues, includes
from protocol.messages import NotAMessage, TreeHead, read_signed, verified
from protocol.sealed_rows import NotARow, leaf_of, name_of, read_row
from protocol.signing import VerifyKey, from_base64url, same_bytes
from protocol.texts import sentence_of
from protocol.trust import KeyRing

OK, DIFFERS, USAGE = 0, 1, 2
_T = TypeVar("_T")


class NotUsable(Exception):
    """The command line or a file makes no sense; the text says what to do."""


class RowProof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's answer about one row."""

    row: str
    position: int
    path: tuple[str, ...]


class Growth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The server's answer about two heads."""

    since: str
    path: tuple[str, ...]


class Rows(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One page of the server's answer about the rows behind a position."""

    start: int
    frontier: tuple[str, ...]
    rows: tuple[str, ...]


def main(arguments: Sequence[str], say: Callable[[str], None], warn: Callable[[str], None]) -> int:
    """Run the command; returns the exit status."""
    options = _parser().parse_args(_joined(arguments))
    try:
        head = _head(options.head, options.server_key)
        older = None if options.since is None else _head(options.since, options.server_key)
        if older is None and (options.growth or options.rows):
            raise NotUsable("--growth and --rows speak of an older head: add --since FILE")
        verdicts = list(_verdicts(options, head, older))
    except (NotUsable, OSError) as error:
        warn(f"audit: {sentence_of(error)}")
        return USAGE
    say(f"head {head.number}: business day {head.day}, {head.size} rows, root {head.root}")
    if options.trust_head:
        say("whether the server signed this head was not checked (--trust-head)")
    for holds, said in verdicts:
        say(f"{'holds' if holds else 'DOES NOT HOLD'}: {said}")
    return OK if all(holds for holds, _ in verdicts) else DIFFERS


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m protocol audit",
        description="Check what a server has sealed: rows against a head that was kept, and a newer head against it.",
        epilog="Example: python -m protocol audit today.jws --server-key F0V... --since yesterday.jws --growth "
        "growth.json --row sale.json",
    )
    parser.add_argument("head", type=Path, metavar="HEAD", help="a signed head, as `jws` of GET /tree-heads shows it")
    signer = parser.add_mutually_exclusive_group(required=True)
    signer.add_argument(
        "--server-key", metavar="B64URL", action="append", help="ack key of the server; more than one: any"
    )
    signer.add_argument("--trust-head", action="store_true", help="accept that the heads themselves may be forged")
    parser.add_argument("--since", type=Path, metavar="HEAD", help="an older head")
    parser.add_argument("--growth", type=Path, metavar="FILE", help="answer of GET /tree-heads/N/growth")
    parser.add_argument("--row", type=Path, metavar="FILE", action="append", default=[], help="answer of .../row")
    parser.add_argument(
        "--rows", type=Path, metavar="FILE", nargs="+", default=[], help="answers of .../rows: all behind --since"
    )
    return parser


def _joined(arguments: Sequence[str]) -> list[str]:
    """One key in 64 begins with a hyphen in base64url, and argparse would take it for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--server-key":
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _verdicts(options: argparse.Namespace, head: TreeHead, older: TreeHead | None) -> Iterator[tuple[bool, str]]:
    root = from_base64url(head.root)
    for file in options.row:
        proof = _answer(file, RowProof)
        name = _name(file, proof.row)
        holds = includes(root, head.size, proof.position, leaf_of(proof.row), _hashes(file, proof.path))
        yield holds, f"{name} is row {proof.position} under head {head.number}"
    if older is None:
        return
    if older.server_epoch == head.server_epoch and older.number > head.number:
        raise NotUsable(f"--since names head {older.number}, which is newer than head {head.number}")
    restored = "" if older.server_epoch == head.server_epoch else "; the server was restored between them"
    if options.growth is not None:
        path = _hashes(options.growth, _answer(options.growth, Growth).path)
        holds = continues(from_base64url(older.root), older.size, root, head.size, path)
        yield holds, f"nothing under head {older.number} has changed under head {head.number}{restored}"
    if options.rows:
        yield _grown(options.rows, head, older)


def _grown(files: Sequence[Path], head: TreeHead, older: TreeHead) -> tuple[bool, str]:
    """Whether the older tree and these rows together are the newer one."""
    count, frontier = 0, Frontier()
    for number, file in enumerate(files):
        page = _answer(file, Rows)
        if number == 0:
            frontier = _frontier(file, page)
            if page.start != older.size:
                raise NotUsable(f"{file} begins at row {page.start}; head {older.number} ends before row {older.size}")
            if not same_bytes(frontier.root(), from_base64url(older.root)):
                return False, f"the server's subtrees are those of head {older.number}"
        if page.start != older.size + count:
            raise NotUsable(f"{file} begins at row {page.start}; the file before it ends before {older.size + count}")
        for row in page.rows:
            frontier.push(leaf_of(row))
        count += len(page.rows)
    if frontier.size < head.size:
        raise NotUsable(f"the rows from {frontier.size} on are missing: ask for them with start={frontier.size}")
    holds = frontier.size == head.size and same_bytes(frontier.root(), from_base64url(head.root))
    return holds, f"head {older.number} and these {count} rows are head {head.number}"


def _frontier(file: Path, page: Rows) -> Frontier:
    try:
        return Frontier(page.start, _hashes(file, page.frontier))
    except ValueError as error:
        raise NotUsable(f"{file}: {error}") from error


def _head(file: Path, keys: list[str] | None) -> TreeHead:
    jws = file.read_bytes().strip()
    try:
        head = read_signed(jws)
    except NotAMessage as error:
        raise NotUsable(f"{file}: {error}") from error
    if not isinstance(head, TreeHead):
        raise NotUsable(f"{file}: is a {type(head).__name__.lower()}, not a head")
    try:
        return head if keys is None else verified(jws, TreeHead, KeyRing(*map(_key, keys)))
    except NotAMessage as error:
        text = f"{file}: {error} by the {len(keys or ())} keys named; name the server's former ack keys too, each by"
        raise NotUsable(f"{text} --server-key: a head stays signed by the key of its day") from error


def _key(text: str) -> VerifyKey:
    try:
        return VerifyKey(from_base64url(text))
    except ValueError as error:
        raise NotUsable(f"--server-key {text}: {error}") from error


def _answer(file: Path, expected: type[_T]) -> _T:
    try:
        return read_part(file.read_bytes(), msgspec.json.Decoder(expected))
    except NotCanonical as error:
        raise NotUsable(f"{file}: is no answer of this kind ({error})") from error


def _hashes(file: Path, texts: Sequence[str]) -> list[bytes]:
    try:
        return [from_base64url(text) for text in texts]
    except ValueError as error:
        raise NotUsable(f"{file}: {error}") from error


def _name(file: Path, row: str) -> str:
    try:
        return name_of(read_row(row))
    except NotARow as error:
        raise NotUsable(f"{file}: no row ({error})") from error
