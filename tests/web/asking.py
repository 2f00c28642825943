"""Pages without a browser: requests as a signed-in person's browser would send them, to a server in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from http.cookies import SimpleCookie

import httpx

from server.accounts import store
from server.accounts.rules import Stage
from server.accounts.service import Accounts
from server.web.door import COOKIE
from server.web.page import csrf_of
from tests.server.office import TOKENS, Desk

Value = str | int | Sequence[str | int]


@dataclass
class Asking:
    """The pages of a desk, for whoever of its operators is named."""

    desk: Desk
    kept: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    """Cookies beside the session's, by who has them."""
    _signed_in: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    async def _session(self, who: str) -> tuple[str, str]:
        """A session's cookie and what its forms hold."""
        if who not in self._signed_in:
            self._signed_in[who] = await self._signed(who)
        return self._signed_in[who]

    async def _signed(self, who: str) -> tuple[str, str]:
        """As after a password and a code, which take their time."""
        token, now = f"signed-in-{who}", self.desk.clock()
        account = {"name": who, "roles": ",".join(TOKENS[who]), "password": "none", "is_new": False, "made_at": now}
        begun = {"account": who, "stage": Stage.FULL, "begun_at": now, "seen_at": now}
        async with self.desk.house.database.writing() as connection:
            await store.add(connection, account)
            await store.begin(connection, {**begun, "token": sha256(token.encode()).hexdigest()})
        accounts: Accounts = self.desk.house.app.state.accounts
        session = await accounts.session_of(token)
        assert session is not None
        return token, csrf_of(session)

    def _cookies(self, who: str, token: str) -> dict[str, str]:
        """What this person's browser sends."""
        kept = {COOKIE: token, **self.kept.get(who, {})}
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}

    def _keep(self, who: str, answer: httpx.Response) -> None:
        """What this person's browser keeps and drops."""
        kept = self.kept.setdefault(who, {})
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                kept[name] = morsel.value
                if morsel["max-age"] == "0":
                    del kept[name]

    async def read(self, path: str, who: str = "ann", status: int = 200) -> str:
        """A page, as text."""
        token, _ = await self._session(who)
        answer = await self.desk.client.get(f"/desk{path}", headers=self._cookies(who, token))
        self._keep(who, answer)
        assert answer.status_code == status, answer.text
        return answer.text

    async def send(
        self, path: str, form: Mapping[str, Value] | None = None, who: str = "ann", status: int = 303
    ) -> httpx.Response:
        """A form of a page."""
        token, csrf = await self._session(who)
        data = {"csrf": csrf, **(form or {})}
        headers = {**self._cookies(who, token), "Origin": "http://server"}
        answer = await self.desk.client.post(f"/desk{path}", data=data, headers=headers)
        self._keep(who, answer)
        assert answer.status_code == status, answer.text
        return answer
