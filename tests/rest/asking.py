"""Requests made of the OpenAPI document, right ones and wrong ones, sent by every role, by strangers and by nobody.

Schemathesis makes the requests and judges the answers by the document. Where it stands in a path, half of the time
something is named that is there, so that more is reached than what is not found.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure as Broken
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.server.office import TOKENS, Desk
from tests.server.test_who_may import NOBODY, OPEN, calls_in, table

STRANGER: Final = "stranger"
WHO: Final = (NOBODY, STRANGER, *TOKENS, "ann", "ann", "ann")
"""The administrator more often: who is turned away at the door reaches nothing behind it."""
AT_ONCE: Final = 6
"""Requests of one kind to one call, before the next call has its turn."""
FAILURES_MAX: Final = 20
ANSWER_S_MAX: Final = 60
_KNOWN: Final[dict[str, tuple[object, ...]]] = {
    "tid": ("till-01", "till-02"), "no": (1, 2, 3), "person": ("s-1",), "site": ("north-campus",), "number": (1, 2),
    "epoch": (1,), "tno": (1,), "first": (1,), "seq": (1,),
}  # fmt: skip
_NEVER_CAME_THERE: Final = re.compile(r'"http_40[045]"|"the body: is no JSON"').search
"""Another path, for a piece of it had a slash; or a body that is no JSON, which is told before the door."""
_AT_THE_DOOR: Final = '"detail":"this needs the permission'
"""Further in, a rule may refuse the same person for what he asks."""
_CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_SENT: Final = ("method", "url", "params", "json", "content")


@dataclass
class Asked:
    """What was asked, and what was wrong with the answers."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter[int])
    calls: set[str] = field(default_factory=set[str])
    failures: dict[str, str] = field(default_factory=dict[str, str])
    """By the call and what is wrong, each once: the request and the answer."""


async def ask(desk: Desk, requests: int, chance_seed: int) -> Asked:
    """So many requests to all calls of the API."""
    loop = asyncio.get_running_loop()

    def send(**request: Any) -> httpx.Response:
        return asyncio.run_coroutine_threadsafe(desk.client.request(**request), loop).result(ANSWER_S_MAX)

    return await asyncio.to_thread(_Asker(desk.house.app.openapi(), send, chance_seed).ask, requests)


class _Asker:
    def __init__(self, document: dict[str, Any], send: Callable[..., httpx.Response], chance_seed: int) -> None:
        self._send, self._chance, self._seed = send, Random(chance_seed), chance_seed
        # As it travels: what Python alone can tell apart is not in it.
        schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document)))
        found = list(schema.get_all_operations())
        self._operations = [one.ok() for one in found if isinstance(one, Ok)]
        assert len(self._operations) == len(found), "a call that the document does not describe"
        self._may, self._open = table(), frozenset(calls_in(OPEN))
        self.asked = Asked()

    def ask(self, requests: int) -> Asked:
        turn, kinds = 0, [(one, mode) for one in self._operations for mode in GenerationMode]
        while self.asked.requests < requests:
            before = self.asked.requests
            self._chance.shuffle(kinds)
            for operation, mode in kinds:
                if self.asked.requests >= requests or len(self.asked.failures) >= FAILURES_MAX:
                    return self.asked
                turn += 1
                self._some(operation.as_strategy(generation_mode=mode), f"{self._seed} {turn}")
            assert self.asked.requests > before, "nothing is asked any more"
        return self.asked

    def _some(self, cases: Any, of: str) -> None:
        @seed(of)
        @settings(
            max_examples=AT_ONCE,
            database=None,
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        )
        @given(case=cases)
        def run(case: Case[Any]) -> None:
            self._one(case)

        try:
            run()
        except Unsatisfiable:
            return  # a call with nothing in it has nothing that could be wrong

    def _one(self, case: Case[Any]) -> None:
        for name, known in _KNOWN.items():
            if name in case.path_parameters and self._chance.random() < 0.5:
                case.path_parameters[name] = self._chance.choice(known)
        who = self._chance.choice(WHO)
        made = case.as_transport_kwargs("http://server")
        if isinstance(made.get("data"), bytes | str):
            made["content"] = made.pop("data")
        kept = {name: value for name, value in (made["headers"] or {}).items() if name.lower() == "content-type"}
        headers = kept | ({"Authorization": f"Bearer {who}-token"} if who else {})
        request = {name: made[name] for name in _SENT if name in made}
        try:
            answer = self._send(headers=headers, **request)
        except (httpx.InvalidURL, UnicodeError, ValueError):
            return  # no client can send it
        self.asked.requests += 1
        self.asked.statuses[answer.status_code] += 1
        call = f"{case.method} {case.operation.path.removeprefix('/api/1')}"
        self.asked.calls.add(call)
        for wrong in (*self._misfits(case, answer), *self._let_in(call, who, answer)):
            text = f"{who or 'nobody'}: {request} {answer.status_code} {answer.text[:400]}"
            self.asked.failures.setdefault(f"{call}: {wrong}", text)

    def _misfits(self, case: Case[Any], answer: httpx.Response) -> list[str]:
        """What the document does not say of this answer."""
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as group:
            return [str(one).split("\n")[0] for one in group.exceptions]
        except Broken as one:
            return [str(one).split("\n")[0]]
        return []

    def _let_in(self, call: str, who: str, answer: httpx.Response) -> list[str]:
        """Whether somebody came through a door that is not his, or stood before one that is."""
        if call in self._open or _NEVER_CAME_THERE(answer.text):
            return []
        may = self._may.get(call, frozenset(TOKENS) if call.startswith("GET ") else frozenset[str]())
        is_turned_away = answer.status_code == 401 or (answer.status_code == 403 and _AT_THE_DOOR in answer.text)
        if is_turned_away == (who in may):
            return ["turned away who may" if is_turned_away else "let in who may not"]
        return []
