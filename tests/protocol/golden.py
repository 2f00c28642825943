"""The golden files: bytes that terminals, cards and servers in the field have written and signed.

`python -m tests.protocol.golden` writes the files that are missing. It never changes one that is there: to do so,
delete it first, and know what that means for every chain that exists.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from protocol import messages, purse_classic, purse_desfire
from protocol.card_key_delivery import deliver
from protocol.card_keys import Tier, split, write_part
from protocol.enrolment import four_words
from protocol.ids import Counter
from protocol.journal import Sealed
from protocol.load_record import encode_load, encode_record
from protocol.merkle import Frontier
from protocol.messages import Hello, encode_hello, encode_question
from protocol.sealed_rows import leaf_of, row_text
from protocol.signing import from_base64url, to_base64url
from protocol.state import encode_state
from tests.protocol import golden_rules, samples

FOLDER = Path(__file__).parent.parent / "golden"


def golden(name: str) -> Any:
    """The content of a golden file."""
    return json.loads((FOLDER / f"{name}.json").read_text("utf-8"))


def entries() -> dict[str, Any]:
    """A whole small chain with an entry of every kind."""
    return _chain(samples.chain_of())


def token_entries() -> dict[str, Any]:
    """The same of sales with a token."""
    return _chain(samples.chain_of(samples.TOKEN_STORY))


def office_entries() -> dict[str, Any]:
    """The same of the card office."""
    return _chain(samples.chain_of(samples.OFFICE_STORY))


def _chain(chain: list[Sealed]) -> dict[str, Any]:
    return {
        "seed": samples.KEY_SEED.hex(),
        "public_key": to_base64url(samples.KEY.public.raw),
        "grant": samples.GRANT_JWS.decode(),
        "entries": [
            {
                "kind": sealed.entry.kind,
                "payload": from_base64url(sealed.jws.split(b".")[1]).decode(),
                "jws": sealed.jws.decode(),
                "hash": to_base64url(sealed.hash),
            }
            for sealed in chain
        ],
    }


def cards() -> dict[str, Any]:
    """A purse as each technology holds it, and the signed load record."""
    purse, identity, mac8 = samples.PURSE, samples.IDENTITY, samples.MAC8
    uid = samples.CLASSIC_UID
    return {
        "load": {
            "seed": samples.LOAD_SEED.hex(),
            "record": encode_record(samples.RECORD).hex(),
            "signed": encode_load(samples.SIGNED_LOAD).hex(),
        },
        "classic": {
            "mac_key": samples.MAC_KEY.hex(),
            "uid": uid.hex(),
            "key_set": 3,
            "identity": purse_classic.encode_identity(identity, uid, mac8).hex(),
            "slot_0": purse_classic.encode_slot(purse, 3, uid, 0, mac8).hex(),
            "slot_1": purse_classic.encode_slot(purse, 3, uid, 1, mac8).hex(),
        },
        "desfire": {
            "identity": purse_desfire.encode_identity(identity).hex(),
            "limits": purse_desfire.encode_limits(purse).hex(),
            "load": purse_desfire.encode_load_file(samples.RECORD).hex(),
            "log": purse_desfire.encode_log(purse.mark, -1_300, Counter(11)).hex(),
        },
    }


def signed_messages() -> dict[str, Any]:
    """Each signed message, a hello, the questions and a pay code."""
    key = samples.SERVER_KEY
    signed = {name: messages.sign(message, key).decode() for name, (message, _) in samples.MESSAGES.items()}
    last = samples.chain_of()[-1]
    hello = Hello(samples.EPOCH, samples.TNO, last.seq, to_base64url(last.hash), signed["ack"])
    told = {"hello": encode_hello(hello).decode(), "state": encode_state(samples.STATE).decode()}
    questions = {name: encode_question(question).decode() for name, question in samples.QUESTIONS.items()}
    return {"seed": samples.SERVER_SEED.hex(), "signed": signed, **told, **questions, "pay_code": samples.PAY_CODE}


def tree() -> dict[str, Any]:
    """A row of each table that is sealed, its leaf, and the root over all of them."""
    texts = {name: row_text(row) for name, row in samples.SEALED_ROWS.items()}
    frontier = Frontier()
    for text in texts.values():
        frontier.push(leaf_of(text))
    leaves = {name: to_base64url(leaf_of(text)) for name, text in texts.items()}
    return {"rows": texts, "leaves": leaves, "root": to_base64url(frontier.root())}


def card_keys() -> dict[str, Any]:
    """A set's check values and a part of it, a terminal's request, and what is delivered to it."""
    asked, sets, root = samples.CARD_KEY_REQUEST, samples.KEY_SETS, samples.SERVER_KEY
    parts = split(sets[0], 2, bytes(range(48)))
    return {
        "masters": {str(tier): sets[0].masters[tier].hex() for tier in Tier},
        "check_values": {str(tier): value for tier, value in sets[0].check_values.items()},
        "parts": [write_part(part) for part in parts],
        "secret": samples.CARD_KEY_SECRET.hex(),
        "request": messages.sign(asked, samples.KEY).decode(),
        "words": four_words(asked.text),
        "delivery": deliver(asked, 7, sets, samples.CARD_KEY_CHANCE, root).decode(),
    }


FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "entries": entries,
    "token_entries": token_entries,
    "office_entries": office_entries,
    "cards": cards,
    "messages": signed_messages,
    "tree": tree,
    "card_keys": card_keys,
    "keys": golden_rules.keys,
    "lists": golden_rules.lists,
    "decisions": golden_rules.decisions,
    "batch": golden_rules.batch,
    "card_status": golden_rules.card_status,
}


def main() -> int:
    """Write the files that are missing."""
    for name, make in FILES.items():
        path = FOLDER / f"{name}.json"
        if path.exists():
            print(f"{path.name} is there and stays as it is")
            continue
        path.write_text(json.dumps(make(), ensure_ascii=False, indent=1) + "\n", "utf-8")
        print(f"{path.name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
