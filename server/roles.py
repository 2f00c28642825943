"""What one process of the server does: everything, or one part of it beside others on the same PostgreSQL."""

import enum


class Role(enum.StrEnum):
    """`python -m server --role`."""

    ALL = "all"
    API = "api"
    """Answers operators and machines over HTTP; keeps nothing, so several may run."""
    INGEST = "ingest"
    """Takes in what terminals of its sites send; several share the sites."""
    NIGHTLY = "nightly"
    """Publishes, keeps the broker's gate, does upkeep and nights; of several one at a time."""

    @property
    def answers(self) -> bool:
        """Whether it has the API, and not only its health."""
        return self in (Role.ALL, Role.API)

    @property
    def takes_in(self) -> bool:
        """Whether terminals' journals and questions are its."""
        return self in (Role.ALL, Role.INGEST)

    @property
    def keeps(self) -> bool:
        """Whether it may be the keeper."""
        return self in (Role.ALL, Role.NIGHTLY)

    @property
    def connects(self) -> bool:
        """Whether it talks to the broker."""
        return self is not Role.API


def fault_of(role: Role, number: int, *, is_sqlite: bool, servers: int | None) -> str:
    """Why a process cannot do this here, and what to do; empty if it can.

    `servers`: how many programs the broker of this machine lets in, where it is ours.
    """
    if is_sqlite and role is not Role.ALL:
        return (
            f"--role {role} needs PostgreSQL: on SQLite one process does everything. "
            "Leave --role away, or name a PostgreSQL in `database`"
        )
    if number < 1:
        return f"--number {number}: a number from 1 on"
    if role.connects and servers is not None and number > servers:
        return (
            f"--number {number}: the broker lets in {servers} of the server's programs. "
            f"Set `servers = {number}` in [broker], or choose a lower number that no other process has"
        )
    return ""
