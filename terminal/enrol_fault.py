"""Why a machine did not become a terminal: each kind has a sentence of its own on the screen, which says what to do."""

import enum

from terminal.identity import IdentityError
from terminal.ports import JournalError


class EnrolFault(enum.StrEnum):
    """The texts `enrol_fault.…` have a sentence for each."""

    BAD_ADDRESS = "bad_address"
    NO_LISTENER = "no_listener"
    LATE = "late"
    UNKNOWN_NAME = "unknown_name"
    UNTRUSTED = "untrusted"
    """The certificate of the web server."""
    NO_TLS = "no_tls"
    NO_WEB_SERVER = "no_web_server"
    UNREACHABLE = "unreachable"
    NOT_FANKA = "not_fanka"
    BUSY = "busy"
    CODE_CLOSED = "code_closed"
    """The claim code opens nothing, or nothing any more."""
    SAYS_NO = "says_no"
    TURNED_AWAY = "turned_away"
    """By a person at the desk, or because another machine came with the code."""
    UNBELIEVED = "unbelieved"
    """What the server answered does not hold under what the four words stand for."""
    JOURNAL = "journal"
    DISK = "disk"
    FILES = "files"
    """What lies in the terminal's directory does not fit."""


TOLD_APART = frozenset(
    {
        EnrolFault.UNREACHABLE,
        EnrolFault.BUSY,
        EnrolFault.SAYS_NO,
        EnrolFault.UNBELIEVED,
        EnrolFault.JOURNAL,
        EnrolFault.DISK,
        EnrolFault.FILES,
    }
)
"""Where the program's own words say more than the sentence: a path, an error of the system."""


class NotEnrolledYet(IdentityError):
    """Enrolment, or asking the server for anything, did not work out; `fault` says in which way."""

    def __init__(self, fault: EnrolFault, text: str) -> None:
        super().__init__(text)
        self.fault = fault


class NoAnswer(NotEnrolledYet):
    """The server is not there or cannot answer now."""


def fault_of(error: IdentityError | JournalError | OSError) -> EnrolFault:
    """What kind of fault an enrolment ended with."""
    match error:
        case NotEnrolledYet(fault=fault):
            return fault
        case JournalError():
            return EnrolFault.JOURNAL
        case OSError():
            return EnrolFault.DISK
        case _:
            return EnrolFault.FILES
