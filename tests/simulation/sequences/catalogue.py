"""Every money sequence there is."""

from tests.simulation.sequences.chains import ENDED, HOLES, IMAGES, MID_SALE, REPLACED, SAME_PLACE
from tests.simulation.sequences.clones import FALLBACKS, FLOORS, FORKS
from tests.simulation.sequences.counter import CLOCKS, ONE_TAP, PIN, POWER, VENDED, WEAK_PIN
from tests.simulation.sequences.credits import CASH_IN, EARLY_REFUNDS, LOADS, REFUNDS, REVOKED, SUBSIDIES
from tests.simulation.sequences.drawers import DRAWERS
from tests.simulation.sequences.second import SECOND
from tests.simulation.sequences.tokens import TOKEN_SEQUENCES
from tests.simulation.sequences.torn import CHAINED, OPEN, RECOVERED, TORN, WEAK

SEQUENCES = (
    *(*TORN, *CHAINED, *OPEN, *RECOVERED, *WEAK),
    *(*POWER, *ONE_TAP, *PIN, *WEAK_PIN, *CLOCKS, *VENDED),
    *(*LOADS, *REVOKED, *SUBSIDIES, *REFUNDS, *EARLY_REFUNDS, *CASH_IN),
    *(*FALLBACKS, *FORKS, *FLOORS),
    *(*IMAGES, *SAME_PLACE, *MID_SALE, *ENDED, *HOLES, *REPLACED),
    *(*DRAWERS, *SECOND),
)
"""Those of cards that hold their money themselves."""
EVERY_SEQUENCE = SEQUENCES + TOKEN_SEQUENCES
assert len({sequence.name for sequence in EVERY_SEQUENCE}) == len(EVERY_SEQUENCE), "names are unique"
