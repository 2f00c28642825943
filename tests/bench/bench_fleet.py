"""How soon a change reaches a terminal that is online, and what terminals cost that only wait.

    block    from the desk's request until the shipping terminal has the list in force that says so
    revoke   from the desk's request until the live session of that terminal has ended
    idle     what a thousand sessions cost broker and server, beside the same two programs with none

Real parts: Mosquitto with mutual TLS in the site's directory, the shipping server as it is set when nothing is said,
one shipping terminal, and a thousand sessions whose certificates come from enrolments, each from an address of its
own. A change is set beside its request alone, which is answered after its commit.
"""

import os
import random
import shutil
import ssl
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.authorise import Listed
from protocol.enrolment import KeyTier, four_words, proof_text, trust_digest
from protocol.ids import CardNo, Generation
from protocol.signing import SigningKey, from_base64url, to_base64url
from server.broker.certificates import Pair, new_key, read_pair, request_pem
from server.broker.certificates import key_pem as pem_of
from terminal.identity import load_identity
from terminal.policy_store import PolicyStore
from tests.bench.crowd import Crowd
from tests.bench.figures import Line, cost, on_disk
from tests.integration.campus import MERCHANT, SITE, Campus, wait_until
from tests.integration.programs import Event

T = TypeVar("T")

CHANGES: Final = 1_000
IDLE_S: Final = 60.0
LOOK_EVERY_MS: Final = 500
"""As it ships."""
BLOCKED_EVERY_S, REVOKED_EVERY_S = 0.05, 0.05
"""On average: a thief's night, not a stock-taking."""


def run(scale: float = 1.0) -> Iterator[Line]:
    """Milliseconds from request to effect, and what waiting costs."""
    changes = max(5, int(CHANGES * scale))
    with on_disk() as name, Campus(Path(name).resolve() / "c", 1, lists_ms=LOOK_EVERY_MS) as campus:
        yield _blocks(campus, changes)
        pairs = {tid: _enrolled(campus, number, tid) for number, tid in enumerate(_names(changes))}
        port, ca = campus.broker.settings.port, campus.broker.settings.directory / "ca.crt"
        with Crowd(port, ca, SITE, campus.directory) as crowd:
            yield from _waiting(campus, crowd, pairs, IDLE_S * min(1.0, scale * 10))
            yield _revocations(campus, crowd, list(pairs))


def _blocks(campus: Campus, changes: int) -> Line:
    till, numbers = campus.add_till("till-real", 0), list[int]()
    while len(numbers) < changes:
        count = min(500, changes - len(numbers))
        numbers += campus.ask("POST", "/cards", {"technology": "classic", "count": count})["numbers"]
    identity, in_force = load_identity(till.directory / "data"), dict[int, float]()

    def look(event: Event) -> None:
        """In the thread that reads the terminal's events, before it reads the next."""
        if event["event"] != "lists":
            return
        now, copy = time.monotonic(), till.directory / "lists-now"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(till.directory / "data" / "lists", copy)
        store = PolicyStore(copy, identity.grant.site, identity.trust, takes_loads=False)
        blocked = [
            no for no in numbers if store.active.book.standing((CardNo(no), Generation(1))).listed is Listed.BLOCKED
        ]
        in_force.update((no, now) for no in blocked if no not in in_force)

    till.program.on_event = look
    began, asked = _each(numbers, BLOCKED_EVERY_S, lambda no: campus.ask("POST", f"/cards/{no}/block"))
    wait_until(lambda: len(in_force) == len(numbers), "every card on the terminal's list", 60)
    return _changed("block", [in_force[no] - began[no] for no in numbers], asked)


def _revocations(campus: Campus, crowd: Crowd, tids: Sequence[str]) -> Line:
    began, asked = _each(tids, REVOKED_EVERY_S, lambda tid: campus.ask("POST", f"/terminals/{tid}/revoke"))
    wait_until(lambda: len(crowd.ended) == len(tids), "the end of every session", 120)
    return _changed("revoke", [crowd.ended[tid] - began[tid] for tid in tids], asked)


def _each(things: Sequence[T], every_s: float, change: Callable[[T], object]) -> tuple[dict[T, float], list[float]]:
    """Change one after the other at instants that nobody waits for; when each began, and how long its request took."""
    rng, began, asked = random.Random(0), dict[T, float](), list[float]()
    for thing in things:
        began[thing] = time.monotonic()
        change(thing)
        asked.append(time.monotonic() - began[thing])
        time.sleep(rng.uniform(0, 2 * every_s))
    return began, asked


def _changed(name: str, took: Sequence[float], asked: Sequence[float]) -> Line:
    ordered = sorted(1e3 * seconds for seconds in took)
    far = {f"p{share}": round(ordered[len(ordered) * share // 100], 1) for share in (90, 99)}
    far |= {"most": round(ordered[-1], 1), "changes": len(ordered)}
    return cost(f"{name}_to_effect", statistics.median(ordered), 1e3 * statistics.median(asked), "ms", **far)


def _waiting(campus: Campus, crowd: Crowd, pairs: dict[str, Pair], seconds: float) -> Iterator[Line]:
    campus.tills["till-real"].program.stop()
    alone, alone_s = _memory(campus), _processor(campus, seconds)
    crowd.connect(pairs)
    time.sleep(2)
    crowded, crowded_s = _memory(campus), _processor(campus, seconds)
    assert not crowd.ended
    each = {"terminals": len(pairs), "kib_each": round((crowded - alone) / 1_024 / len(pairs), 1)}
    yield cost("idle_memory", crowded / 1_024, alone / 1_024, "KiB", **each)
    each = {"terminals": len(pairs), "us_each": round((crowded_s - alone_s) * 1e6 / len(pairs), 2)}
    yield cost("idle_processor", 1e3 * crowded_s, 1e3 * alone_s, "ms/s", **each)


def _memory(campus: Campus) -> int:
    return sum(
        int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") for pid in _pids(campus)
    )


def _processor(campus: Campus, seconds: float) -> float:
    """Seconds of processor time in a second."""

    def spent() -> float:
        ticks = sum(
            sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[11:13]))
            for pid in _pids(campus)
        )
        return ticks / os.sysconf("SC_CLK_TCK")

    before = spent()
    time.sleep(seconds)
    return max(spent() - before, 1 / os.sysconf("SC_CLK_TCK")) / seconds


def _pids(campus: Campus) -> tuple[int, int]:
    assert campus.server.process is not None
    return campus.server.process.pid, int((campus.broker.settings.directory / "mosquitto.pid").read_text())


def _names(count: int) -> list[str]:
    return [f"till-{number:04}" for number in range(count)]


def _enrolled(campus: Campus, number: int, tid: str) -> Pair:
    """As a machine and a technician do it, from the machine's own address: who asks too often is turned away."""
    particulars = {"site": SITE, "title": tid, "merchant": MERCHANT, "can_load": False, "can_issue": False}
    campus.ask("PUT", f"/terminals/{tid}", particulars)
    code, journal, tls = campus.ask("POST", f"/terminals/{tid}/claims")["code"], SigningKey(os.urandom(32)), new_key()
    request, public = request_pem(tls, tid), journal.public.raw
    own = httpx.HTTPTransport(verify=False, local_address=f"127.1.{number // 250}.{number % 250 + 1}")
    with httpx.Client(base_url=campus.server.url, transport=own, timeout=30) as machine:
        keys = {"request": request.decode(), "journal_key": to_base64url(public)}
        told = _said(machine, "/enrol", {"code": code, "device": "bench", **keys})
        root, keys_by_it = from_base64url(told["trust"]["root"]), told["trust"]["keys"].encode()
        digest = trust_digest(root, keys_by_it, ssl.PEM_cert_to_DER_cert(told["authority"]))
        text = proof_text(from_base64url(told["nonce"]), public, KeyTier.FILE, request, digest)
        proofs = {"journal_proof": journal.sign(text), "tls_proof": tls.sign(text, ec.ECDSA(hashes.SHA256()))}
        ticket = {"ticket": told["ticket"]}
        _said(machine, "/enrol/proof", ticket | {name: to_base64url(raw) for name, raw in proofs.items()})
        (waiting,) = campus.ask("GET", "/enrolments")
        campus.ask("POST", f"/enrolments/{waiting['number']}/approve", {"words": four_words(text)})
        return read_pair(_said(machine, "/enrol/standing", ticket)["certificate"].encode(), pem_of(tls))


def _said(machine: httpx.Client, path: str, body: dict[str, str]) -> Any:
    answer = machine.post(path, json=body)
    assert answer.is_success, f"{path}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None
