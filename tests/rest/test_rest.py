"""The API answers whatever is asked as its document says, and every door opens for whom it is."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.rest.asking import ask
from tests.rest.house import open_furnished
from tests.server.office import Desk

CONTROL_REQUESTS: Final = 150


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with open_furnished(tmp_path) as desk:
        yield desk


@pytest.mark.seeds
@pytest.mark.parametrize("requests", [300, pytest.param(2_000, marks=pytest.mark.slow)])
async def test_every_answer_is_one_of_the_document(desk: Desk, requests: int) -> None:
    asked = await ask(desk, requests, requests)
    assert not asked.failures, "\n".join(f"{what}\n  {text}" for what, text in asked.failures.items())
    assert {200, 401, 403, 404, 422} <= asked.statuses.keys()


def open_to_all(request: httpx.Request) -> None:
    request.headers["Authorization"] = "Bearer ann-token"


def closed_to_all(request: httpx.Request) -> None:
    request.headers["Authorization"] = "Bearer eve-token"


def fallen_over(answer: httpx.Response) -> httpx.Response:
    return httpx.Response(500, text="Internal Server Error", headers={"content-type": "text/plain"})


def without_a_member(answer: httpx.Response) -> httpx.Response:
    if answer.status_code != 422:
        return answer
    said = answer.json()
    del said["code"]
    return httpx.Response(422, content=json.dumps(said), headers={"content-type": "application/problem+json"})


def unchanged(what: object) -> None:
    pass


class Between(httpx.AsyncBaseTransport):
    """Changes what is asked, or what is answered."""

    def __init__(
        self, behind: Desk, ask: Callable[[httpx.Request], None], answer: Callable[[httpx.Response], httpx.Response]
    ) -> None:
        self._behind, self._ask, self._answer = httpx.ASGITransport(behind.house.app), ask, answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._ask(request)
        answer = await self._behind.handle_async_request(request)
        said = self._answer(httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread()))
        return httpx.Response(said.status_code, headers=said.headers, stream=httpx.ByteStream(said.content))


@pytest.mark.seeds
@pytest.mark.parametrize(
    ("ask_so", "answer_so", "wrong"),
    [
        (open_to_all, lambda answer: answer, "let in who may not"),
        (closed_to_all, lambda answer: answer, "turned away who may"),
        (unchanged, fallen_over, "Server error"),
        (unchanged, without_a_member, "Response violates schema"),
    ],
    ids=["open to all", "closed to all", "fallen over", "without a member"],
)
async def test_a_planted_fault_is_found(
    desk: Desk,
    ask_so: Callable[[httpx.Request], None],
    answer_so: Callable[[httpx.Response], httpx.Response],
    wrong: str,
) -> None:
    async with httpx.AsyncClient(transport=Between(desk, ask_so, answer_so), base_url="http://server") as client:
        asked = await ask(replace(desk, client=client), CONTROL_REQUESTS, 0)
    assert any(what.endswith(wrong) for what in asked.failures), asked.failures
