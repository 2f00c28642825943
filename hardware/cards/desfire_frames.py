"""Native DESFire commands in ISO wrapping: frames both ways, and what a card's refusal means.

    90 cmd 00 00 Lc data 00  -->  data 91 xx        xx = af: more follows, asked for or sent with the command af

Source: M075031 (commands, frames, status codes), as publicly known.
"""

from hardware.ports import CardChannel, CardRefused

SW_OK, SW_MORE, SW_NO_APPLICATION, SW_AUTHENTICATION = 0x9100, 0x91AF, 0x91A0, 0x91AE
SW_NO_COMMAND, SW_NO_INSTRUCTION = 0x911C, 0x6D00
"""Of chips that introduce themselves like a DESFire and are none."""
MORE = 0xAF
COMMAND_DATA_BYTES_MAX = 54
"""What one wrapped command carries: a frame of 64 bytes less ISO-DEP's own four (with a card identifier) and six."""

_FRAMES_MAX = 16
"""No answer of a card of ours has more frames; a stranger's card must not talk for ever."""
_NAMES = {
    0x5A: "SelectApplication",
    0xAA: "AuthenticateAES",
    0x1A: "AuthenticateISO",
    0x71: "AuthenticateEV2First",
    0x77: "AuthenticateEV2NonFirst",
    0x60: "GetVersion",
    0x64: "GetKeyVersion",
    0x6A: "GetApplicationIDs",
    0xCA: "CreateApplication",
    0xDA: "DeleteApplication",
    0xFC: "FormatPICC",
    0x54: "ChangeKeySettings",
    0xC4: "ChangeKey",
    0xCD: "CreateStdDataFile",
    0xCB: "CreateBackupDataFile",
    0xCC: "CreateValueFile",
    0xC0: "CreateCyclicRecordFile",
    0xBD: "ReadData",
    0xBB: "ReadRecords",
    0x6C: "GetValue",
    0x3D: "WriteData",
    0x8D: "WriteData",
    0x5F: "ChangeFileSettings",
    0xF5: "GetFileSettings",
    0x3B: "WriteRecord",
    0xDC: "Debit",
    0x0C: "Credit",
    0x1C: "LimitedCredit",
    0xC7: "CommitTransaction",
}
_REASONS = {
    0x910C: "there is nothing to commit",
    0x910E: "the card's memory is full",
    0x911C: "the card does not know this command",
    0x911E: "a MAC, a CRC or the padding is wrong",
    0x9140: "there is no such key",
    0x917E: "the length is wrong",
    0x919D: "nobody may do this here",
    0x919E: "a parameter is wrong",
    0x91A0: "there is no such application",
    0x91AE: "the key that is authenticated does not allow it, or none is",
    0x91BE: "beyond the end or a limit of the file",
    0x91C1: "the card has found a fault in itself",
    0x91CA: "the command before was not completed",
    0x91CD: "the card is disabled",
    0x91CE: "there are as many as the card can hold",
    0x91DE: "it exists already",
    0x91EE: "the card's memory failed; its own backup undid the change",
    0x91F0: "there is no such file",
    0x91F1: "the file is damaged",
    0x6700: "the length is wrong",
    0x6E00: "the card does not take wrapped commands",
}


def name_of(code: int) -> str:
    """A command's name for a message."""
    return _NAMES.get(code, f"command {code:02X}")


def refusal(code: int, status_word: int) -> CardRefused:
    """What to raise for an answer that is no success."""
    return CardRefused(name_of(code), status_word, _REASONS.get(status_word, ""))


def exchange(channel: CardChannel, code: int, data: bytes) -> bytes:
    """One command in as many frames as it needs, and all frames of its answer. Raises CardRefused."""
    parts = [data[at : at + COMMAND_DATA_BYTES_MAX] for at in range(0, len(data), COMMAND_DATA_BYTES_MAX)] or [b""]
    *before, last = parts
    step = code
    for part in before:
        _, status_word = transmit(channel, step, part)
        if status_word != SW_MORE:
            raise refusal(code, status_word)
        step = MORE
    body, status_word = transmit(channel, step, last)
    for _ in range(_FRAMES_MAX):
        if status_word != SW_MORE:
            break
        more, status_word = transmit(channel, MORE, b"")
        body += more
    if status_word != SW_OK:
        raise refusal(code, status_word)
    return body


def transmit(channel: CardChannel, code: int, data: bytes) -> tuple[bytes, int]:
    """One frame and its answer: data and status word."""
    wrapped = bytes((len(data),)) + data + b"\x00" if data else b"\x00"
    answer = channel.transmit(bytes((0x90, code, 0, 0)) + wrapped)
    return answer[:-2], int.from_bytes(answer[-2:], "big")
