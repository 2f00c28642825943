"""The broker's access list: one explicit block for each terminal, and nothing but a hello for anybody else.

mosquitto.conf(5), "acl_file". A name in the list is the common name of a certificate. Where a terminal's lists are is
the register's word, never a topic's.
"""

from collections.abc import Mapping

from protocol import topics
from protocol.ids import SiteId, TerminalId
from server.broker.certificates import server_name

UP = ("journal", "state", "hello", "ask")
"""What a terminal may say."""
_EVERY_ONE = f"pattern write {topics.up(TerminalId('%u'), 'hello')}\npattern read {topics.SERVER}\n"
"""Whoever has a certificate of ours hears that this is another life of the server, and says hello under its own name:
so a server restored from an older backup hears of a terminal that it has forgotten, and can say so."""


def access_list(terminals: Mapping[TerminalId, SiteId], servers: int = 1) -> str:
    """The text of the file: what the server's programs may, each registered terminal, and every certificate."""
    head = "# Written by the server from its register of terminals; changes made here are lost.\n"
    ours = [_block(server_name(number + 1), [("readwrite", "fanka/1/#")]) for number in range(servers)]
    return "\n".join([head, *ours, *(_terminal(tid, terminals[tid]) for tid in sorted(terminals)), _EVERY_ONE])


def _terminal(tid: TerminalId, site: SiteId) -> str:
    says = [("write", topics.up(tid, what)) for what in UP]
    hears = [topics.down(tid, "+"), topics.manifest(site), topics.list_part(site, "+"), topics.SERVER, topics.KEYS]
    return _block(tid, [*says, *(("read", topic) for topic in hears)])


def _block(name: str, rules: list[tuple[str, str]]) -> str:
    return "\n".join([f"user {name}", *(f"topic {kind} {topic}" for kind, topic in rules), ""])
