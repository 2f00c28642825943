"""A browser without a window: opens a page, fills in one of its forms and sends it, as a person does."""

from html.parser import HTMLParser

import httpx

from tests.integration.programs import ProgramFailed


class _Forms(HTMLParser):
    """The forms of a page by what they are sent to, each with the values that stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, list[str]]] = {}
        self._form: dict[str, list[str]] | None = None
        self._chosen: str | None = None
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self._form = self.found.setdefault(given.get("action", ""), {})
        elif self._form is None:
            return
        elif tag == "select":
            self._select, self._chosen = name, None
        elif tag == "option" and self._select:
            if "selected" in given or self._chosen is None:
                self._chosen = given.get("value", "")
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self._form.setdefault(name, []).append(given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select" and self._form is not None:
            self._form.setdefault(self._select, []).append(self._chosen or "")
            self._select = ""


class Browser:
    """One window, with its cookies."""

    def __init__(self, url: str) -> None:
        """`url`: of the server, without a path."""
        self._client = httpx.Client(base_url=url, headers={"Origin": url}, follow_redirects=True, timeout=30)

    def submit(self, page: str, action: str, **typed: str) -> str:
        """Send a form of a page with this typed into it; the path that it led to. Raises ProgramFailed."""
        shown = self._client.get(page)
        forms = _Forms()
        forms.feed(shown.text)
        if action not in forms.found or not typed.keys() <= forms.found[action].keys():
            raise ProgramFailed(f"{page} has no form for {action} with {sorted(typed)}: {forms.found}")
        answer = self._client.post(
            action, data={**forms.found[action], **{name: [text] for name, text in typed.items()}}
        )
        if answer.status_code != httpx.codes.OK:
            raise ProgramFailed(f"{action} was refused: {answer.status_code} {answer.text[-2_000:]}")
        return answer.url.path
