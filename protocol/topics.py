"""MQTT topic names (SPEC, "Topics")."""

from protocol.ids import SiteId, TerminalId

KEYS = "fanka/1/keys"
SERVER = "fanka/1/server"
UP_ALL = "fanka/1/up/+/+"


def up(tid: TerminalId, what: str) -> str:
    """What a terminal publishes: journal, state, hello, ask."""
    return f"fanka/1/up/{tid}/{what}"


def down(tid: TerminalId, what: str) -> str:
    """What the server publishes for one terminal: ack, answer, cmd. "+" subscribes to all."""
    return f"fanka/1/down/{tid}/{what}"


def manifest(site: SiteId) -> str:
    """The retained, signed manifest of a site's lists."""
    return f"fanka/1/lists/{site}/manifest"


def list_part(site: SiteId, sha256_hex: str) -> str:
    """One retained part of a list file, named by its hash."""
    return f"fanka/1/lists/{site}/f/{sha256_hex}"


def parse_up(topic: str) -> tuple[TerminalId, str] | None:
    """Who published what; None for a topic that is not a terminal's."""
    parts = topic.split("/")
    if len(parts) != 5 or parts[:3] != ["fanka", "1", "up"]:
        return None
    return TerminalId(parts[3]), parts[4]
