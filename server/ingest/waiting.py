"""Why an entry is kept and not posted: what may change with time, what two people may let through, what stays so."""

UNKNOWN_CARD = "unknown card"
NO_SALE = "no settled sale that this delivery belongs to"
NO_RIGHT = "the terminal has no right to this; two people may let it be posted"
NEVER_ISSUED = "the server made no such generation of this card known; two people may let it be posted"
FOREIGN_MERCHANT = "the register gives this terminal to another merchant; two people may let it be posted"
UNKNOWN_PRODUCT = "no price list of the site ever had this product; two people may let it be posted"
A_SPARE = "the register says that this terminal waits for a place; two people may let it be posted"
UNPROVEN = "told by a second history of the terminal alone; its card, or two people, may confirm it"
QUARANTINED = "quarantined: the terminal was revoked before this arrived"

INCONSISTENT = "inconsistent: "
"""Begins the reason; the contradiction follows."""
SECOND_OUTCOME = "an outcome of a step that was decided before"
SECOND_DELIVERY = "a delivery that was decided before"
SECOND_COUNT = "the drawer of this shift was counted before"

ASK_TWO_PEOPLE = (NO_RIGHT, NEVER_ISSUED, FOREIGN_MERCHANT, UNKNOWN_PRODUCT, A_SPARE)
"""Nothing else lets these be posted: neither a card, nor a register or a list that is changed later."""
FOR_GOOD = (INCONSISTENT, SECOND_OUTCOME, SECOND_DELIVERY, SECOND_COUNT)
"""Beginnings of reasons that neither time nor people change: such an entry is never tried again."""

_FIELDS = {
    UNKNOWN_CARD: "card",
    NEVER_ISSUED: "card",
    FOREIGN_MERCHANT: "merchant",
    UNKNOWN_PRODUCT: "lines",
    NO_SALE: "prepared",
    SECOND_OUTCOME: "prepared",
    SECOND_DELIVERY: "prepared",
    SECOND_COUNT: "number",
}


def misfitting_field(why: str) -> str:
    """Which member of the entry's body does not fit; empty where it is not one alone."""
    return _FIELDS.get(why, "")


def is_for_two_people(why: str) -> bool:
    """Whether two people may let it be posted."""
    return why in (*ASK_TWO_PEOPLE, UNPROVEN, QUARANTINED)
