"""PINs of staff become hashes before anything is stored."""

import secrets

from protocol.ids import StaffId
from protocol.site_files import PIN_SALT_BYTES, StaffFile, StaffRole, StaffRow, staff_row
from server.errors import Invalid
from server.policy.schemas import StaffMemberForm


def staff_file(people: list[StaffMemberForm], known: StaffFile) -> StaffFile:
    """The list of these people; who has no new PIN keeps the present one. Takes 50 ms for each new PIN."""
    try:
        return StaffFile(tuple(_row(person, known) for person in people))
    except ValueError as error:
        raise Invalid("not_a_list", str(error)) from error


def _row(person: StaffMemberForm, known: StaffFile) -> StaffRow:
    staff, role = StaffId(person.id), StaffRole(person.role)
    if person.pin:
        return staff_row(staff, person.name, role, person.pin, secrets.token_bytes(PIN_SALT_BYTES))
    before = known.person(staff)
    if before is None:
        raise Invalid("pin_missing", f"{person.id} is new and needs a PIN")
    return StaffRow(staff, person.name, before.salt, before.pin, role)
