"""What a reader's own lamps and buzzer are told, for the readers whose commands are known by their names.

    ACR122    FF 00 40 state 04 T1 T2 repetitions buzzer       by escape, or where a card's commands go
    ACR1252   E0 00 00 29 01 lamps, E0 00 00 28 01 duration    by escape only

Sources: ACS ACR122U API, "bi-color LED and buzzer control" (state: bits 0 and 1 are red and green at the end, bits 2
and 3 say that they change; T1 and T2 in 100 ms), and ACS ACR1252U reference manual, "LED control" (bit 0 red, bit 1
green) and "buzzer control" (10 ms). The ACR122 answers only when it has finished: nothing here takes more than 0.4 s.
"""

from hardware.ports import Signal

_OFF, _RED, _GREEN = 0b00, 0b01, 0b10
_BOTH_CHANGE = 0b1100

_ACR122 = {  # lamps at the end, T1, T2, repetitions, whether the buzzer sounds in T1
    Signal.APPROVED: (_GREEN, 1, 0, 1, 1),
    Signal.REFUSED: (_RED, 3, 0, 1, 1),
    Signal.TAP_AGAIN: (_RED | _GREEN, 1, 1, 2, 1),
    Signal.WAITING: (_OFF, 0, 0, 0, 0),
}
_ACR1252 = {  # lamps, buzzer in 10 ms
    Signal.APPROVED: (_GREEN, 10),
    Signal.REFUSED: (_RED, 30),
    Signal.TAP_AGAIN: (_RED | _GREEN, 15),
    Signal.WAITING: (_OFF, 0),
}


def lamp_commands(reader_name: str, signal: Signal) -> tuple[bytes, ...]:
    """What to send to a reader of this name, in order; nothing for a reader that is not known."""
    if "ACR122" in reader_name:
        lamps, *blinking = _ACR122[signal]
        return (bytes((0xFF, 0, 0x40, _BOTH_CHANGE | lamps, 4, *blinking)),)
    if "ACR1252" in reader_name:
        lamps, buzzer = _ACR1252[signal]
        return bytes((0xE0, 0, 0, 0x29, 1, lamps)), bytes((0xE0, 0, 0, 0x28, 1, buzzer))
    return ()


def is_pseudo_apdu(command: bytes) -> bool:
    """Whether the reader also takes it where a card's commands go, and keeps it from the card."""
    return command[0] == 0xFF
