"""`python -m protocol verify`: check an exported chain and say what was done to it.

`python -m protocol audit`: check what a server has sealed (`protocol/audit_command.py`, the other shell file).

Exit status: 0 the chain holds; 1 it was tampered with, or lacks something; 2 the command or a file makes no sense.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from protocol import audit_command
from protocol.ids import Seq
from protocol.journal import Tip
from protocol.messages import Grant, NotAMessage, read_signed, verified
from protocol.signing import KEY_BYTES, VerifyKey, from_base64url
from protocol.tampering import FINDINGS_MAX, TODO, ChainId, Report, examine
from protocol.texts import sentence_of
from protocol.trust import KeyRing

OK, TAMPERED, USAGE = 0, 1, 2


class NotUsable(Exception):
    """The command line or a file makes no sense; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a chain begins, whose it is (None: as its first line says), and which key signs it."""

    start: Tip
    key: VerifyKey
    chain: ChainId | None
    proven: bool
    """Whether the key was given by whoever asks, or signed by the server's key that was."""


_DATABASE = b"SQLite format 3\0"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["audit"]:
        return audit_command.main(arguments[1:], print, _warn)
    options = _parser().parse_args(_joined(arguments))
    try:
        origin = _origin_of(options)
        head = None if options.no_head else _tip(options.expect_head, "--expect-head")
        if head is not None and head.seq < origin.start.seq:
            raise NotUsable("--expect-head names an entry before --start: it would prove nothing")
        report = examine(_lines(options.files), origin.start, origin.key, chain=origin.chain, head=head)
    except (NotUsable, OSError) as error:
        print(f"verify: {sentence_of(error)}", file=sys.stderr)
        return USAGE
    unchecked = _unchecked(origin, pinned=head is not None)
    print(_as_json(report, unchecked) if options.json else _as_text(report, unchecked))
    return TAMPERED if report.findings else OK


def _warn(text: str) -> None:
    print(text, file=sys.stderr)


def _joined(arguments: list[str]) -> list[str]:
    """One key in 64 begins with a hyphen in base64url, and argparse would take it for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ("--server-key", "--key", "--start"):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m protocol", description="Check what a terminal has signed.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("audit", help="check what a server has sealed", add_help=False)
    verify = commands.add_parser(
        "verify",
        help="check an exported chain",
        description="Check an exported chain: one compact JWS a line, in order, over all FILEs.",
        epilog="Example: python -m protocol verify till-07.jws --grant till-07.grant --server-key A6E... "
        "--expect-head 1520:Hx3...",
    )
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exported lines; several files continue")
    verify.add_argument("--grant", type=Path, help="the epoch grant: it names the chain, its start and its key")
    signer = verify.add_mutually_exclusive_group()
    signer.add_argument(
        "--server-key", metavar="B64URL", action="append", help="public key that signed the grant; more than one: any"
    )
    signer.add_argument("--trust-grant", action="store_true", help="accept that the grant itself may be forged")
    verify.add_argument("--key", metavar="B64URL", help="public key of the journal, where there is no grant")
    verify.add_argument("--start", metavar="[SEQ:]HASH", help="the entry before the first line; without SEQ: the grant")
    head = verify.add_mutually_exclusive_group(required=True)
    head.add_argument("--expect-head", metavar="SEQ:HASH", help="an entry known to exist, as from an ack")
    head.add_argument("--no-head", action="store_true", help="accept that a cut tail cannot be found")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _origin_of(options: argparse.Namespace) -> Origin:
    if options.grant is not None:
        return _granted(options.grant, options.server_key, options.key, options.start, trusted=options.trust_grant)
    if options.key is None or options.start is None:
        raise NotUsable("say where the chain begins: --grant FILE, or --key B64URL with --start HASH")
    if options.server_key is not None or options.trust_grant:
        raise NotUsable("--server-key and --trust-grant speak of a grant: add --grant FILE")
    return Origin(_start(options.start), _key(options.key, "--key"), None, proven=True)


def _granted(file: Path, server_keys: list[str] | None, key: str | None, start: str | None, *, trusted: bool) -> Origin:
    if key is not None:
        raise NotUsable("--grant names the key already: leave --key out")
    if server_keys is None and not trusted:
        raise NotUsable("say who must have signed the grant: --server-key B64URL, or --trust-grant to do without")
    jws = file.read_bytes().strip()
    try:
        grant = read_signed(jws) if server_keys is None else verified(jws, Grant, _ring(server_keys))
    except NotAMessage as error:
        raise NotUsable(f"{file}: {error}") from error
    if not isinstance(grant, Grant):
        raise NotUsable(f"{file}: is a {type(grant).__name__.lower()}, not an epoch grant")
    begin = grant.start(jws) if start is None else _start(start)
    chain = ChainId(grant.site, grant.tid, grant.epoch, grant.tno)
    return Origin(begin, grant.verify_key, chain, proven=server_keys is not None)


def _ring(texts: list[str]) -> KeyRing:
    """The grant key of the server may have changed since."""
    return KeyRing(*(_key(text, "--server-key") for text in texts))


def _start(text: str) -> Tip:
    return _tip(text if ":" in text else f"0:{text}", "--start")


def _tip(text: str, option: str) -> Tip:
    if not re.fullmatch(r"[0-9]{1,10}:[A-Za-z0-9_-]{43}", text):
        raise NotUsable(f"{option} {text}: write SEQ:HASH, the hash as 43 characters of base64url")
    seq, _, digest = text.partition(":")
    return Tip(Seq(int(seq)), _bytes32(digest, option))


def _key(text: str, option: str) -> VerifyKey:
    raw = _bytes32(text, option)
    try:
        return VerifyKey(raw)
    except ValueError as error:
        raise NotUsable(f"{option} {text}: {error}") from error


def _bytes32(text: str, option: str) -> bytes:
    try:
        raw = from_base64url(text)
    except ValueError as error:
        raise NotUsable(f"{option} {text}: {error}") from error
    if len(raw) != KEY_BYTES:
        raise NotUsable(f"{option} {text}: {KEY_BYTES} bytes as 43 characters of base64url are needed")
    return raw


def _lines(files: list[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as stream:
            if stream.peek(len(_DATABASE)).startswith(_DATABASE):
                raise NotUsable(
                    f"{file} is the journal's database; export it first: `export FILE all` at the terminal, or of a "
                    "dead one `python -m terminal --rescue DIR >FILE`"
                )
            yield from stream


def _head_text(report: Report) -> str:
    return f"{report.head.seq}:{report.head.prev}"


def _unchecked(origin: Origin, *, pinned: bool) -> dict[str, str]:
    """What the caller chose not to have checked, by option."""
    left_out: dict[str, str] = {}
    if not origin.proven:
        left_out["--trust-grant"] = "whether the server signed this grant was not checked: all of it may be forged"
    if not pinned:
        left_out["--no-head"] = "whether entries are missing behind it was not checked"
    return left_out


def _as_json(report: Report, unchecked: dict[str, str]) -> str:
    return msgspec.json.encode(
        {
            "ok": not report.findings,
            "unchecked": list(unchecked),
            "entries": report.entries,
            "unread": report.unread,
            "head": _head_text(report),
            "findings": [
                {
                    "what": finding.what,
                    "line": finding.line,
                    "seq": finding.seq,
                    "until": finding.until,
                    "detail": finding.detail,
                    "todo": TODO[finding.what],
                }
                for finding in report.findings
            ],
        }
    ).decode()


def _as_text(report: Report, unchecked: dict[str, str]) -> str:
    said: list[str] = []
    for finding in report.findings:
        where = f"line {finding.line}" if finding.line else "end"
        which = str(finding.seq) if finding.until == finding.seq else f"{finding.seq}-{finding.until}"
        said += [f"{where}: {finding.what} {which}: {finding.detail}", f"    {TODO[finding.what]}"]
    if len(report.findings) == FINDINGS_MAX:
        said.append(f"more than {FINDINGS_MAX} findings: the rest was not examined")
    if report.unread:
        said.append(f"{report.unread} entries are of a newer version: they hold, but this program cannot read them")
    verdict = "NOT intact" if report.findings else "intact"
    said.append(f"{verdict}: {report.entries} entries hold, the newest is {_head_text(report)}")
    said += [f"{what} ({option})" for option, what in unchecked.items()]
    return "\n".join(said)


if __name__ == "__main__":
    sys.exit(main())
