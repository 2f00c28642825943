"""What every page needs: who looks at it, in which language, and the template that draws it."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import HTMLResponse, RedirectResponse

from protocol.instants import DAY_MS, MINUTE_MS, SECOND_MS, CampusTime, UtcMs
from protocol.money import SALE_CENTS_MAX, format_cents, parse_cents
from server.accounts.rules import Session
from server.auth.rules import Operator, Permission
from server.errors import Forbidden, Invalid
from server.web.door import COOKIE, OPEN, PAGES, READING
from server.web.language import NAMES, SENTENCES, Language, chosen, say, sentence
from server.web.places import PLACES
from server.web.said import said

LANGUAGE_COOKIE, LOOK_COOKIE, DONE_COOKIE = "fanka_language", "fanka_look", "fanka_done"
LOOKS: Final = ("auto", "light", "dark", "contrast")
LOCAL_TIME = "%Y-%m-%dT%H:%M"
LOCAL_TIME_OR_NONE = r"^(\d{4}-\d\d-\d\dT\d\d:\d\d)?$"
CAUSE = r"^[a-z:]+:[A-Za-z0-9._/@-]{1,70}$"
"""How a cause of postings is spelled."""
_HERE = Path(__file__).parent
_DONE_S = 60
"""So long the page that says it may take to come."""
_NOTHING: Final[Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page."""

    request: Request
    session: Session | None
    language: Language
    look: str

    @property
    def operator(self) -> Operator:
        """Who looks at it. Only behind the sign-in."""
        assert self.session is not None
        return self.session.operator

    @property
    def house(self) -> Any:
        """The services, by the names that `server/app.py` gives them."""
        return self.request.app.state

    @property
    def campus(self) -> CampusTime:
        """The campus' civil time."""
        found: CampusTime = self.house.campus
        return found

    def say(self, key: str, **what: object) -> str:
        """A sentence in this page's language."""
        return say(self.language, key, **what)

    def said(self, text: str) -> Markup:
        """What a service wrote in English, in this page's language."""
        return said(self.language, text)

    def coded(self, kind: str, code: str) -> Markup:
        """A code of a kind in words; what is no code of it, as `said` has it."""
        key = f"{kind}.{code}"
        return escape(self.say(key)) if key in SENTENCES else self.said(code)

    def problem(self, code: str, text: str) -> str:
        """What went wrong, by its code; `text` is what the server says of it in English."""
        if f"problem.{code}" in SENTENCES:
            return self.say(f"problem.{code}")
        if f"refused.{code}" in SENTENCES and self.language is not Language.EN:
            return Markup(sentence(self.language, f"refused.{code}")).format(told=self.said(text))  # noqa: S704  ours
        return self.said(text)

    def show(self, template: str, what: Mapping[str, object] = _NOTHING, *, status: int = 200) -> HTMLResponse:
        """The page as its template draws it. What is said to be done is said this once."""
        response = HTMLResponse(self.drawn(template, what), status)
        if self._done:
            response.delete_cookie(DONE_COOKIE, PAGES)
        return response

    def drawn(self, template: str, what: Mapping[str, object] = _NOTHING) -> str:
        """What a template draws for this page."""
        around: dict[str, object] = {
            "page": self,
            "t": self.say,
            "said": self.said,
            "coded": self.coded,
            "csrf": csrf_of(self.session) if self.session is not None else "",
            "done": self._done,
            "places": [] if self.session is None else [place for place in PLACES if place.is_for(self.operator)],
            "here": self.request.url.path,
            "languages": NAMES,
            "looks": LOOKS,
            "when": self.when,
            "day": self.day,
            "assets": self.house.assets,
        }
        return _TEMPLATES.get_template(template).render({**around, **what})

    def done(self, key: str, to: str) -> RedirectResponse:
        """It was done: go to a page, which says so once. No link of anybody else makes it say so."""
        assert f"done.{key}" in SENTENCES
        response = RedirectResponse(f"{PAGES}{to}", 303)
        told = f"{key}.{self._seal(key, f'{PAGES}{to}'.partition('?')[0])}"
        secure = self.request.url.scheme == "https"
        response.set_cookie(DONE_COOKIE, told, _DONE_S, path=PAGES, secure=secure, httponly=True, samesite="strict")
        return response

    @property
    def _done(self) -> str:
        """What was done just now that led to this very page; empty: nothing."""
        key, _, seal = self.request.cookies.get(DONE_COOKIE, "").partition(".")
        is_ours = hmac.compare_digest(seal.encode(), self._seal(key, self.request.url.path).encode())
        return self.say(f"done.{key}") if is_ours and f"done.{key}" in SENTENCES else ""

    def _seal(self, key: str, path: str) -> str:
        """Only who has this browser's session can say that something was done in it."""
        token = self.request.cookies.get(COOKIE, "")
        return hmac.new(token.encode(), f"done {key} {path}".encode(), sha256).hexdigest()

    def show_once(self, template: str, what: Mapping[str, object]) -> HTMLResponse:
        """What a form brought and nobody can ask for again: the address stays that of the form."""
        response = self.show(template, what)
        response.headers["HX-Push-Url"] = "false"
        return response

    def instant(self, local: str) -> UtcMs:
        """A date and a time of the campus' clock as browsers send them, YYYY-MM-DDTHH:MM. Raises Invalid."""
        try:
            told = datetime.strptime(local, LOCAL_TIME).replace(tzinfo=UTC)
        except ValueError as error:
            raise Invalid("not_an_instant", f"at: {error}") from error
        return UtcMs(max(0, int(told.timestamp()) * SECOND_MS - self.campus.offset_min * MINUTE_MS))

    def when(self, at: int) -> str:
        """An instant (UTC milliseconds) on the campus' clock; a dash for none."""
        if not at:
            return "–"
        local = (at + self.campus.offset_min * MINUTE_MS) // SECOND_MS
        return datetime.fromtimestamp(local, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def day(self, day: int) -> str:
        """A business day as a date."""
        return datetime.fromtimestamp(day * DAY_MS // SECOND_MS, UTC).strftime("%Y-%m-%d")


def page_of(request: Request) -> Page:
    """The page of a request, whoever asks."""
    cookies = request.cookies
    look = cookies.get(LOOK_COOKIE, "")
    language = chosen(cookies.get(LANGUAGE_COOKIE, ""), request.headers.get("accept-language", ""))
    return Page(request, request.scope.get("session"), language, look if look in LOOKS else LOOKS[0])


def page_for(*any_of: Permission) -> Callable[[Request], Awaitable[Page]]:
    """A dependency: the page, for somebody who may."""

    async def who(request: Request) -> Page:
        page = page_of(request)
        if not any(page.operator.may(permission) for permission in any_of):
            raise Forbidden("not_allowed", f"this needs the permission {' or '.join(any_of)}")
        return page

    return who


async def _page_of(request: Request) -> Page:
    return page_of(request)


AnyPage = Annotated[Page, Depends(_page_of)]
LookingPage = Annotated[Page, Depends(page_for(Permission.LOOK))]
CardsPage = Annotated[Page, Depends(page_for(Permission.CARDS))]
DeskPage = Annotated[Page, Depends(page_for(Permission.DESK_MONEY))]
FinancePage = Annotated[Page, Depends(page_for(Permission.FINANCE))]
TerminalsPage = Annotated[Page, Depends(page_for(Permission.TERMINALS))]
ListsPage = Annotated[Page, Depends(page_for(Permission.LISTS))]
DecidingPage = Annotated[Page, Depends(page_for(Permission.DECIDE))]
RegisteringPage = Annotated[Page, Depends(page_for(Permission.TERMINALS, Permission.DECIDE))]
ProposingPage = Annotated[Page, Depends(page_for(Permission.DESK_MONEY, Permission.TERMINALS, Permission.DECIDE))]
AuditingPage = Annotated[Page, Depends(page_for(Permission.AUDIT))]


def csrf_of(session: Session) -> str:
    """What a form of this session holds, and no page of somebody else can know."""
    return hmac.new(session.token.encode(), b"form", sha256).hexdigest()


async def require_own_form(request: Request) -> None:
    """A dependency of all pages: what changes something was sent from a form of this session. Raises Forbidden."""
    session: Session | None = request.scope.get("session")
    if request.method in READING or session is None or request.scope["path"] in OPEN:
        return
    shown = (await request.form()).get("csrf", "")
    if not isinstance(shown, str) or not hmac.compare_digest(shown.encode(errors="replace"), csrf_of(session).encode()):
        raise Forbidden("stale_form", "this form is not of your present session; load the page again")


class Fields(BaseModel):
    """What a form of a page sends: text, which is read strictly by what each field is."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    csrf: str = ""


def _cents(text: object) -> object:
    return parse_cents(text) if isinstance(text, str) else text


def _moves(cents: int) -> int:
    if not 0 < cents <= SALE_CENTS_MAX:
        raise ValueError(f"an amount above 0.00 and up to {format_cents(SALE_CENTS_MAX)}")
    return cents


Yuan = Annotated[int, BeforeValidator(_cents), AfterValidator(_moves)]
"""An amount as people type it, "12.50"; in cents."""
YuanOrNone = Annotated[int, BeforeValidator(_cents), Field(ge=0, le=SALE_CENTS_MAX)]
"""The same where it may be nothing."""


def _money(cents: int) -> Markup:
    """An amount in a column: tabular digits, and a minus that does not break."""
    shown = format_cents(abs(cents))
    return Markup('<span class="money">{}</span>').format(f"−{shown}" if cents < 0 else shown)


def _change(cents: int) -> Markup:
    """By how much something grows or shrinks, with its sign."""
    return Markup('<span class="money">{}</span>').format(f"{'−' if cents < 0 else '+'}{format_cents(abs(cents))}")


def _version(number: int) -> str:
    """A list's version as people compare it: the life of the server that made it, then the count."""
    return f"{number >> 32}.{number & 0xFFFF_FFFF}" if number else "–"


def _is_cause(text: str) -> bool:
    """Whether there can be postings of this name."""
    return re.fullmatch(CAUSE, text) is not None


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    known: Any = made
    known.filters |= {"money": _money, "change": _change, "cents": format_cents, "version": _version}
    known.filters |= {"is_cause": _is_cause}
    known.globals |= {"base": PAGES}
    return made


_TEMPLATES: Final = _environment()
