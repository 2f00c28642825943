"""A card that is only looked at: everything on it in sentences, with a till's keys, and nothing is written."""

from hardware.cards.keys import CardKeys
from hardware.cards.read_out import read_out
from hardware.ports import CardChannel, CardError
from protocol.signing import Verifier
from terminal.card_checks import findings
from terminal.card_port import Run
from terminal.card_report import detected_lines, is_tag, report_lines
from terminal.views import Words


async def look(
    channel: CardChannel, run: Run, keys: CardKeys, key_set_new: int, load_key: Verifier | None, words: Words
) -> tuple[str, ...]:
    """What a desk tells its customer; a card that went away says so."""
    try:
        out = await run(lambda: read_out(channel, keys))
    except CardError:
        return (words["office.left"],)
    if out.read is None or is_tag(out):
        return detected_lines(out, words)
    return report_lines(out, findings(out.read, key_set_new, load_key), words)
