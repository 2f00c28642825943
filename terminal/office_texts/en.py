"""English: what the card office is told."""

from typing import Final

OFFICE: Final[dict[str, str]] = {
    "office.listed": "Card {card}, generation {generation}, is blocked or closed. Order the next one at the server.",
    "office.in_use": "Card {card}, generation {generation}, was made already. Order the next one at the server.",
    "office.not_listed": (
        "No list here names card {card}, generation {generation}: this terminal cannot know whether the server gave "
        "out that number. Compare it with the order."
    ),
    "office.left": "The card went away before it was finished.",
    "office.not_ours": "The card takes no key of this terminal: no blank, or a stranger's ({detail}).",
    "office.refused": "The card did not take what was written ({detail}).",
    "office.unreadable": "The card's answer makes no sense ({detail}).",
    "office.pin": "The card has a PIN: cancel, and let its holder type it: rekey PIN.",
    "office.other_card": "This is card {detail} with money on it. Close it first.",
    "office.other_unread": "This is card {detail}, and what is on it cannot be read. Try again, or close it first.",
    "office.made_already": "This is card {detail}, or that card was made already. It is left as it is.",
    "office.not_blank": "This card is not blank. Erase it first, or make a card of it by itself: replace.",
    "office.begun_here": "On this card, card {detail} was begun. Make that one of it.",
    "office.begun_elsewhere": "It was begun on the card with UID {detail}. Take that one, or order the next one.",
    "office.other_tag": "This tag is card {detail}, whose money is at the server. It is left as it is. Take a blank.",
    "office.no_pin": "A tag has no place for a PIN. Cancel, and order it without one.",
    "office.no_row": "Every card of the list is made, or half made on another plastic.",
    "office.tag": "This is a tag, and it stays one. Its number is closed at the server.",
    "office.blank": "This card is blank already.",
    "office.half_way": "Part of this card is ours, and it does not say which card it is. Make one of it: replace.",
    "office.step_open": "A step of card {detail} is not finished here. Cancel, and put it on the reader to finish it.",
    "office.changed": "This is not the card that was shown, or not as it was. Nothing was erased: look at it again.",
    "office.shared": "Others have applications on this card ({detail}). It is left as it is.",
    "office.closed_with_money": "Card {detail} is closed at the server, but money is on it. Put it aside.",
    "list.unread": "{path} could not be read ({why}).",
    "list.left_out": "Cards of the list that are in use, blocked or closed, and are left out: {count}.",
    "list.text": "The list is no CSV in UTF-8 or GB18030 (line {line}). Save it as CSV UTF-8. Nothing is done.",
    "list.columns": "Line 1 names the columns: card, class; name, person, generation may follow. Nothing is done.",
    "list.empty": "There is no card in the list.",
    "list.long": "The list is too long: at most 20,000 cards. Split it.",
    "list.fields": "Line {line}: a comma too few or too many. Nothing is done.",
    "list.number": "Line {line}: that is no number of a card. Nothing is done.",
    "list.class": "Line {line}: write student, staff or visitor. Nothing is done.",
    "list.name": "Line {line}: the name is too long, or no text. Nothing is done.",
    "list.twice": "Line {line}: that card stands in the list already. Nothing is done.",
    # Labels
    "labels.done": "{path}: labels {labels}, sheets {sheets}. Print them at 100 %, not fitted to the page.",
    "labels.none_made": "The journal in {path} knows of no card of this list that was made.",
    "labels.no_journal": "{path} is no data directory of a terminal, or its journal cannot be read.",
    "labels.no_font": "No font with Chinese is here: apt-get install fonts-wqy-microhei, or name one: --font FILE",
    "labels.bad_font": "{path} cannot be used ({why}). Name a TrueType font: .ttf or .ttc with TrueType outlines.",
    "labels.missing": "The font lacks characters, for which 〓 is printed. Write these by hand: {cards}",
    "labels.unwritten": "{path} could not be written ({why}).",
}
