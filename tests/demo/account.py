"""An operator's account for the pages: made by the command for that, tried once by the pages' own forms."""

import subprocess
import sys
from dataclasses import dataclass

import httpx
from pyotp.totp import TOTP

from tests.integration.campus import Campus
from tests.integration.programs import ROOT, ProgramFailed

NAME, ROLE = "lin", "admin"
HOME = "/desk/overview"


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may use the pages of a server."""

    url: str
    """Where the sign-in is."""
    name: str
    password: str
    otp: str
    """The secret of the one-time codes, for any authenticator."""

    def code(self) -> str:
        """What the authenticator shows now; each code counts once."""
        return TOTP(self.otp).now()

    def lines(self) -> tuple[str, ...]:
        """For whoever wants to look on."""
        return f"{self.url}   name {self.name}, password {self.password}", f"codes from an authenticator: {self.otp}"


def open_account(campus: Campus) -> Account:
    """A new account that has signed in once. Raises ProgramFailed."""
    config = campus.directory / "server" / "server.toml"
    command = [sys.executable, "-I", "-m", "server", "accounts", "add", NAME, "--roles", ROLE, "--ready"]
    done = subprocess.run([*command, "--config", str(config)], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProgramFailed(done.stderr)
    said = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    account = Account(f"{campus.server.url}/desk", said["name"], said["password"], said["codes"])
    _sign_in(account)
    return account


def _sign_in(account: Account) -> None:
    """As a browser does: name and password, then the code, and there is the first page."""
    origin = account.url.removesuffix("/desk")
    with httpx.Client(base_url=origin, headers={"Origin": origin}, follow_redirects=True, timeout=30) as browser:
        form = {"name": account.name, "password": account.password}
        page = browser.post("/desk/sign-in", data=form)
        csrf = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        page = browser.post("/desk/code", data={"code": account.code(), "csrf": csrf})
    if page.status_code != httpx.codes.OK or page.url.path != HOME:
        raise ProgramFailed(f"{account.name} cannot sign in: {page.status_code} {page.url}")
