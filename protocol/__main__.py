"""`python -m protocol verify`: check an exported chain and say what was done to it. This package's one shell file.

Exit status: 0 the chain holds; 1 it was tampered with, or lacks something; 2 the command or a file makes no sense.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from protocol.ids import Seq
from protocol.journal import Tip
from protocol.messages import Grant, NotAMessage, read_signed, verified
from protocol.signing import KEY_BYTES, VerifyKey, from_base64url
from protocol.tampering import FINDINGS_MAX, TODO, ChainId, Report, examine

OK, TAMPERED, USAGE = 0, 1, 2


class NotUsable(Exception):
    """The command line or a file makes no sense; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a chain begins, whose it is (None: as its first line says), and which key signs it."""

    start: Tip
    key: VerifyKey
    chain: ChainId | None


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        origin = _origin(options.grant, options.server_key, options.key, options.start)
        head = None if options.no_head else _tip(options.expect_head, "--expect-head")
        if head is not None and head.seq < origin.start.seq:
            raise NotUsable("--expect-head names an entry before --start: it would prove nothing")
        report = examine(_lines(options.files), origin.start, origin.key, chain=origin.chain, head=head)
    except (NotUsable, OSError) as error:
        print(f"verify: {error}", file=sys.stderr)
        return USAGE
    print(_as_json(report) if options.json else _as_text(report, pinned=head is not None))
    return TAMPERED if report.findings else OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m protocol", description="Check what a terminal has signed.")
    verify = parser.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "verify",
        help="check an exported chain",
        description="Check an exported chain: one compact JWS a line, in order, over all FILEs.",
        epilog="Example: python -m protocol verify till-07.jws --grant till-07.grant --expect-head 1520:Hx3...",
    )
    verify.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exported lines; several files continue")
    verify.add_argument("--grant", type=Path, help="the epoch grant: it names the chain, its start and its key")
    verify.add_argument("--server-key", metavar="B64URL", help="public key that must have signed the grant")
    verify.add_argument("--key", metavar="B64URL", help="public key of the journal, where there is no grant")
    verify.add_argument("--start", metavar="[SEQ:]HASH", help="the entry (or grant, SEQ 0) before the first line")
    head = verify.add_mutually_exclusive_group(required=True)
    head.add_argument("--expect-head", metavar="SEQ:HASH", help="an entry known to exist, as from an ack")
    head.add_argument("--no-head", action="store_true", help="accept that a cut tail cannot be found")
    verify.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _origin(grant_file: Path | None, server_key: str | None, key: str | None, start: str | None) -> Origin:
    if grant_file is None:
        if key is None or start is None:
            raise NotUsable("say where the chain begins: --grant FILE, or --key B64URL with --start HASH")
        if server_key is not None:
            raise NotUsable("--server-key checks a grant: add --grant FILE")
        return Origin(_start(start), _key(key, "--key"), None)
    if key is not None:
        raise NotUsable("--grant names the key already: leave --key out")
    jws = grant_file.read_bytes().strip()
    try:
        grant = verified(jws, Grant, _key(server_key, "--server-key")) if server_key else read_signed(jws)
    except NotAMessage as error:
        raise NotUsable(f"{grant_file}: {error}") from error
    if not isinstance(grant, Grant):
        raise NotUsable(f"{grant_file}: is a {type(grant).__name__.lower()}, not an epoch grant")
    begin = grant.start(jws) if start is None else _start(start)
    return Origin(begin, grant.verify_key, ChainId(grant.site, grant.tid, grant.epoch, grant.tno))


def _start(text: str) -> Tip:
    return _tip(text if ":" in text else f"0:{text}", "--start")


def _tip(text: str, option: str) -> Tip:
    if not re.fullmatch(r"[0-9]{1,10}:[A-Za-z0-9_-]{43}", text):
        raise NotUsable(f"{option} {text}: write SEQ:HASH, the hash as 43 characters of base64url")
    seq, _, digest = text.partition(":")
    return Tip(Seq(int(seq)), _bytes32(digest, option))


def _key(text: str, option: str) -> VerifyKey:
    return VerifyKey(_bytes32(text, option))


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
            yield from stream


def _head_text(report: Report) -> str:
    return f"{report.head.seq}:{report.head.prev}"


def _as_json(report: Report) -> str:
    return msgspec.json.encode(
        {
            "ok": not report.findings,
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


def _as_text(report: Report, *, pinned: bool) -> str:
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
    if not pinned:
        said.append("whether entries are missing behind it was not checked (--no-head)")
    return "\n".join(said)


if __name__ == "__main__":
    sys.exit(main())
