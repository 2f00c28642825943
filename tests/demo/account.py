"""An operator's account for the pages: made by the command for that, tried once by the pages' own forms."""

import subprocess
import sys
from dataclasses import dataclass, field

from pyotp.totp import TOTP

from tests.demo.browser import Browser
from tests.integration.campus import Campus
from tests.integration.programs import ROOT, ProgramFailed

NAME, ROLE = "lin", "admin"
HOME, SIGN_IN, CODE = "/desk/overview", "/desk/sign-in", "/desk/code"


@dataclass
class Account:
    """Somebody who may use the pages of a server."""

    url: str
    """Where the sign-in is."""
    name: str
    password: str
    otp: str
    """The secret of the one-time codes, for any authenticator."""
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = Browser(self.url.removesuffix("/desk"))

    def sign_in(self) -> None:
        """Name and password, then the code, and there is the first page. Raises ProgramFailed."""
        self.browser.submit(SIGN_IN, SIGN_IN, name=self.name, password=self.password)
        if (here := self.browser.submit(CODE, CODE, code=self.code())) != HOME:
            raise ProgramFailed(f"{self.name} cannot sign in: {here}")

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
    account.sign_in()
    return account
