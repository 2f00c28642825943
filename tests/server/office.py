"""A whole server in a temporary directory, spoken to over its API."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from msgspec.structs import replace as with_members

from server.app import House, open_house
from server.auth.rules import Role
from server.config import MqttSettings, OperatorSettings, Settings
from tests.server.desk import Clock, sqlite_url

TOKENS = {
    "ann": (Role.ADMIN,),
    "bob": (Role.FINANCE,),
    "cleo": (Role.CARD_OFFICE,),
    "eve": (Role.VIEWER,),
    "tom": (Role.TECHNICIAN,),
    "uma": (Role.AUDITOR,),
}


def settings_in(directory: Path, mqtt: MqttSettings | None = None) -> Settings:
    operators = tuple(
        OperatorSettings(name, sha256(f"{name}-token".encode()).hexdigest(), roles) for name, roles in TOKENS.items()
    )
    return Settings(str(directory), sqlite_url(directory), mqtt=mqtt, operators=operators)


@dataclass(frozen=True)
class Desk:
    """The API as operators use it."""

    house: House
    clock: Clock
    client: httpx.AsyncClient

    async def call(self, method: str, path: str, body: Any = None, *, who: str = "ann", expect: int = 200) -> Any:
        """One request; the answer must have this status."""
        headers = {"Authorization": f"Bearer {who}-token"}
        answer = await self.client.request(method, f"/api/1{path}", json=body, headers=headers)
        assert answer.status_code == expect, answer.text
        if expect >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == expect
        return answer.json() if answer.content else None

    async def get(self, path: str, **more: Any) -> Any:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return await self.call("POST", path, body, **more)

    async def put(self, path: str, body: Any = None, **more: Any) -> Any:
        return await self.call("PUT", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Any:
        return await self.call("DELETE", path, **{"expect": 204, **more})


_UNUSED: list[TemporaryDirectory[str]] = []
"""A server that was started once and never used; making its schema and keys takes longer than most tests."""


def _is_empty(directory: Path) -> bool:
    return not directory.exists() or not any(directory.iterdir())


async def install(directory: Path, clock: Clock) -> None:
    """What the first start leaves in an empty directory."""
    if not _UNUSED:
        unused = TemporaryDirectory(prefix="fanka-unused-")
        async with open_house(settings_in(Path(unused.name)), clock):
            _UNUSED.append(unused)
    shutil.copytree(_UNUSED[0].name, directory, dirs_exist_ok=True)


@asynccontextmanager
async def open_desk(directory: Path, database: str = "") -> AsyncGenerator[Desk]:
    clock = Clock()
    clock.pass_ms(3_600_000)
    settings = settings_in(directory)
    if not database and _is_empty(directory):
        await install(directory, clock)
    async with open_house(with_members(settings, database=database or settings.database), clock) as house:
        transport = httpx.ASGITransport(house.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            yield Desk(house, clock, client)
