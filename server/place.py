"""What lies in a server's directories, and whether they belong together."""

from pathlib import Path

from protocol.instants import UtcMs
from server.broker.authority import CA_FILE, open_authority
from server.broker.certificates import Pair
from server.broker.configuration import CA
from server.broker.site import BrokerSite
from server.config import ConfigWrong, Settings, broker_of

HAS_BOOKS = "has-books"
"""A file in `data`: this server's database is not a new one any more."""


def authority_of(settings: Settings, at: UtcMs, *, may_create: bool) -> Pair:
    """The site's authority, in its place. Raises AuthorityUnusable."""
    return open_authority(_authority_in(settings), at, may_create=may_create)


def _authority_in(settings: Settings) -> Path:
    return Path(settings.data) / "authority"


def require_the_same_place(settings: Settings, *, may_create: bool) -> None:
    """A server that lost its database, or names another directory, begins no second site. Raises ConfigWrong."""
    if may_create and (Path(settings.data) / HAS_BOOKS).exists():
        raise ConfigWrong(
            f"database: it is empty, and {settings.data} belongs to a server that has books. Restore it from the "
            "backup (docs/operations.md, Make it again); empty books begin in another `data` directory"
        )
    require_own_broker(settings, may_create=may_create)


def require_own_broker(settings: Settings, *, may_create: bool) -> None:
    """The broker's directory is this authority's, or there is none yet. Raises ConfigWrong."""
    wanted, own = broker_of(settings), _authority_in(settings) / CA_FILE
    if wanted is None or not wanted.file(CA).exists() or not (own.exists() or may_create):
        return
    if not own.exists() or own.read_bytes() != wanted.file(CA).read_bytes():
        raise ConfigWrong(
            f"broker.directory: {wanted.directory} serves the terminals of another authority than {own.parent}. "
            "Is `data` the right directory, and mounted? To make this broker anew, move its directory away"
        )


def prepare_broker(settings: Settings, authority: Pair, at: UtcMs) -> BrokerSite | None:
    """Make the directory of this machine's broker, or bring it up to date. Raises ConfigWrong."""
    wanted = broker_of(settings)
    if wanted is None:
        return None
    site = BrokerSite(wanted, authority)
    try:
        site.prepare(at)
    except OSError as error:
        raise ConfigWrong(f"broker.directory: {error.filename}: {error.strerror}") from error
    return site
