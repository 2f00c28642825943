"""EV2 secure messaging and the factory's DES key against published values; each test names its source.

NXP's example sessions, both with an all-zero key: AN12196 "NTAG 424 DNA features and hints" (rev. 2.0; the table
numbers are that revision's) and AN12343 "MIFARE DESFire Light features and hints". The smaller chips speak the same
EV2 messaging as DESFire EV2 and EV3, for which NXP publishes no bytes without an agreement.
"""

import pytest

from hardware.cards.crypto import AesKey, DesKey, desfire_crc32
from hardware.cards.desfire_ev2 import Ev2Messaging, ev2_first, ev2_non_first, ev2_proof, session_keys
from hardware.cards.desfire_frames import exchange
from hardware.cards.desfire_messaging import AnswerForged, CommMode, des_messaging, des_proof
from hardware.cards.desfire_session import DesfireSession
from hardware.ports import CardNotOurs
from hardware.simulated.desfire_ev2 import Ev2Challenge, Ev2Session
from hardware.simulated.desfire_session import DesChallenge
from hardware.simulated.desfire_state import CommMode as CardMode
from hardware.simulated.desfire_state import KeyKind, StoredKey

_unhex = bytes.fromhex
ZERO = AesKey(bytes(16))

FIRST = {  # AN12196 table 14, AuthenticateEV2First with key 0
    "rnd_a": "13C5DB8A5930439FC3DEF9A4C675360F",
    "rnd_b": "B9E2FC789B64BF237CCCAA20EC7E6E48",
    "challenge": "A04C124213C186F22399D33AC2A30215",
    "proof": "35C3E05A752E0144BAC0DE51C1F22C56B34408A23D8AEA266CAB947EA8E0118D",
    "answer": "3FA64DB5446D1F34CD6EA311167F5E4985B89690C04A05F17FA7AB2F08120663",
    "ti": "9D00C4DF",
    "enc": "1309C877509E5A215007FF0ED19CA564",
    "mac": "4C6626F5E72EA694202139295C7A7FC7",
}
SECOND = {  # AN12196 table 19, AuthenticateEV2First with key 3
    "rnd_a": "B98F4C50CF1C2E084FD150E33992B048",
    "rnd_b": "91517975190DCEA6104948EFA3085C1B",
    "challenge": "B875CEB0E66A6C5CD00898DC371F92D1",
    "proof": "FF0306E47DFBC50087C4D8A78E88E62DE1E8BE457AA477C707E2F0874916A8B1",
    "answer": "0CC9A8094A8EEA683ECAAC5C7BF20584206D0608D477110FC6B3D5D3F65C3A6A",
    "ti": "7614281A",
    "enc": "7A93D6571E4B180FCA6AC90C9A7488D4",
    "mac": "FC4AF159B62E549B5812394CAB1918CC",
}
NON_FIRST = {  # AN12196 table 23, AuthenticateEV2NonFirst with key 0 in the session of table 19
    "rnd_a": "60BE759EDA560250AC57CDDC11743CF6",
    "rnd_b": "6924E8D09722659A2E7DEC68E66312B8",
    "challenge": "A6A2B3C572D06C097BB8DB70463E22DC",
    "proof": "BE7D45753F2CAB85F34BC60CE58B940763FE969658A532DF6D95EA2773F6E991",
    "answer": "B888349C24B315EAB5B589E279C8263E",
    "ti": "7614281A",
    "enc": "4CF3CB41A22583A61E89B158D252FC53",
    "mac": "5529860B2FC5FB6154B7F28361D30BF9",
}
LIGHT = {  # AN12343, the session keys of its first example
    "rnd_a": "B04D0787C93EE0CC8CACC8E86F16C6FE",
    "rnd_b": "FA659AD0DCA738DD65DC7DC38612AD81",
    "enc": "63DC07286289A7A6C0334CA31C314A04",
    "mac": "774F26743ECE6AF5033B6AE8522946F6",
}


def reader_session(of: dict[str, str], commands: int = 0) -> Ev2Messaging:
    return Ev2Messaging(AesKey(_unhex(of["enc"])), AesKey(_unhex(of["mac"])), _unhex(of["ti"]), commands)


def card_session(of: dict[str, str], commands: int = 0) -> Ev2Session:
    return Ev2Session(0, AesKey(_unhex(of["enc"])), AesKey(_unhex(of["mac"])), _unhex(of["ti"]), commands)


# Authentication


@pytest.mark.parametrize("of", [FIRST, SECOND, NON_FIRST, LIGHT])
def test_session_keys_are_the_published_ones(of: dict[str, str]) -> None:
    enc, mac = session_keys(ZERO, _unhex(of["rnd_a"]), _unhex(of["rnd_b"]))
    assert (enc.raw, mac.raw) == (_unhex(of["enc"]), _unhex(of["mac"]))


@pytest.mark.parametrize("of", [FIRST, SECOND, NON_FIRST])
def test_the_reader_proves_the_key_with_the_published_bytes(of: dict[str, str]) -> None:
    rnd_a, challenge, answer = _unhex(of["rnd_a"]), _unhex(of["challenge"]), _unhex(of["answer"])
    assert ev2_proof(ZERO, challenge, rnd_a) == _unhex(of["proof"])
    if of is NON_FIRST:
        session = ev2_non_first(ZERO, challenge, rnd_a, answer, _unhex(of["ti"]), 2)
        assert session.commands == 2
    else:
        session = ev2_first(ZERO, challenge, rnd_a, answer)
        assert session.commands == 0
    assert session.ti == _unhex(of["ti"])
    assert (session._enc.raw, session._mac.raw) == (_unhex(of["enc"]), _unhex(of["mac"]))


@pytest.mark.parametrize("of", [FIRST, SECOND, NON_FIRST])
def test_the_card_answers_with_the_published_bytes(of: dict[str, str]) -> None:
    commands = 2 if of is NON_FIRST else None
    challenge = Ev2Challenge(0, StoredKey(), _unhex(of["rnd_b"]), _unhex(of["ti"]), commands)
    assert challenge.message == _unhex(of["challenge"])
    session, answer = challenge.answer(_unhex(of["proof"]))
    assert answer == _unhex(of["answer"])
    assert (session._enc.raw, session._mac.raw) == (_unhex(of["enc"]), _unhex(of["mac"]))
    assert (session.ti, session.commands) == (_unhex(of["ti"]), commands or 0)


@pytest.mark.parametrize("of", [FIRST, NON_FIRST])
def test_a_card_that_answers_anything_else_does_not_know_the_key(of: dict[str, str]) -> None:
    rnd_a, challenge, answer = _unhex(of["rnd_a"]), _unhex(of["challenge"]), _unhex(of["answer"])
    for wrong in (b"", answer[:-1], bytes((answer[0] ^ 1,)) + answer[1:], answer[:16] * 2):
        finish = (lambda: ev2_first(ZERO, challenge, rnd_a, wrong)) if of is FIRST else None  # noqa: B023
        finish = finish or (lambda: ev2_non_first(ZERO, challenge, rnd_a, wrong, bytes(4), 0))  # noqa: B023
        with pytest.raises(CardNotOurs, match="did not prove"):
            finish()


# Messages


def test_a_maced_command_and_its_answer() -> None:
    """GetFileSettings of AN12196 table 7."""
    of = {"enc": "00" * 16, "mac": "8248134A386E86EB7FAF54A52E536CB6", "ti": "7A21085E"}
    settings = _unhex("0040EEEE000100D1FE001F00004400004400002000006A0000")
    reader, card = reader_session(of), card_session(of)
    sent = reader.command(0xF5, b"\x02", b"", CommMode.MACED)
    assert sent == _unhex("026597A457C8CD442C")
    assert card.opened(0xF5, sent, CardMode.MACED) == b"\x02"
    answer = card.sealed(settings, CardMode.MACED)
    assert answer == settings + _unhex("2A474282E7A47986")
    assert reader.answer(answer, CommMode.MACED) == settings


def test_a_maced_write_and_a_maced_read() -> None:
    """WriteData and ReadData of a MACed file: AN12343, "WriteData" and "ReadData" examples, one after the other."""
    of = {"enc": "00" * 16, "mac": "9366FA195EB566F5BD2BAD4020B83002", "ti": "E2D3AF69"}
    reader, card = reader_session(of), card_session(of)
    header, content = _unhex("00000000190000"), _unhex("22" * 25)
    sent = reader.command(0x8D, header, content, CommMode.MACED)
    assert sent == header + content + _unhex("68F2C28C575A1628")
    assert card.written(0x8D, header, sent[7:], 25, CardMode.MACED) == content
    answer = card.sealed(b"", CardMode.MACED)
    assert answer == _unhex("0820F68898C2A7F1")
    assert reader.answer(answer, CommMode.MACED) == b""
    header, content = _unhex("00000000300000"), _unhex("22" * 25 + "00" * 23)
    sent = reader.command(0xAD, header, b"", CommMode.MACED)
    assert sent == header + _unhex("0D9BE191D5960834")
    assert card.opened(0xAD, sent, CardMode.MACED) == header
    answer = card.sealed(content, CardMode.MACED)
    assert answer == content + _unhex("A49A44222D926666")
    assert reader.answer(answer, CommMode.MACED) == content


@pytest.mark.parametrize(
    ("of", "commands", "code", "header", "content", "sent", "answer"),
    [
        # AN12196 table 21: WriteData, 10 bytes
        (
            SECOND,
            0,
            0x8D,
            "030000000A0000",
            "0102030405060708090A",
            "6B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA",
            "C26D236E4A7C046D",
        ),
        # AN12196 table 18: ChangeFileSettings, the second command of its session
        (
            FIRST,
            1,
            0x5F,
            "02",
            "4000E0C1F121200000430000430000",
            "61B6D97903566E84C3AE5274467E89EAD799B7C1A0EF7A04",
            "57BFF87B1241E93D",
        ),
        # AN12196 table 17: WriteData, 128 bytes: padded by a whole block
        (
            FIRST,
            0,
            0x8D,
            "02000000800000",
            "0051D1014D550463686F6F73652E75726C2E636F6D2F6E7461673432343F653D"
            + "30" * 32
            + "26633D"
            + "30" * 16
            + "00" * 45,
            (
                "421C73A27D827658AF481FDFF20A5025B559D0E3AA21E58D347F343CFFC768BFE596C706BC00F2176781D4B0242642A0"
                "FF5A42C461AAF894D9A1284B8C76BCFA658ACD40555D362E08DB15CF421B51283F9064BCBE20E96CAE545B407C9D651A"
                "3315B27373772E5DA2367D2064AE054AF996C6F1F669170FA88CE8C4E3A4A7BBBEF0FD971FF532C3A802AF745660F2B4"
                "D1D9A8499661EBF3"
            ),
            "FC222E5F7A542452",
        ),
    ],
)
def test_a_full_command_and_its_answer(
    of: dict[str, str], commands: int, code: int, header: str, content: str, sent: str, answer: str
) -> None:
    reader, card = reader_session(of, commands), card_session(of, commands)
    assert reader.command(code, _unhex(header), _unhex(content), CommMode.FULL) == _unhex(header + sent)
    length = len(_unhex(content))
    assert card.content_bytes(length, CardMode.FULL) == len(_unhex(sent))
    assert card.written(code, _unhex(header), _unhex(sent), length, CardMode.FULL) == _unhex(content)
    assert card.sealed(b"", CardMode.FULL) == _unhex(answer)
    assert reader.answer(_unhex(answer), CommMode.FULL) == b""


def test_a_change_of_another_key() -> None:
    """ChangeKey of key 2 in the session of key 0: AN12196 table 25."""
    new = _unhex("F3847D627727ED3BC9C4CC050489B966")
    assert desfire_crc32(new) == _unhex("789DFADC")
    sent = _unhex("022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E6")
    reader, card = reader_session(NON_FIRST, 2), card_session(NON_FIRST, 2)
    assert reader.command(0xC4, b"\x02", new + b"\x01", CommMode.FULL, desfire_crc32(new)) == sent
    assert card.new_key(2, sent, StoredKey()) == StoredKey(new, 1)
    answer = card.sealed(b"", CardMode.MACED)
    assert answer == _unhex("203BB55D1089D587")
    assert reader.answer(answer, CommMode.FULL) == b""


def test_a_change_of_the_session_s_own_key() -> None:
    """ChangeKey of key 0 in its own session, one command later: AN12196 table 26."""
    new = _unhex("5004BF991F408672B1EF00F08F9E8647")
    sent = _unhex("00C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FDA6610234BDED6432")
    assert reader_session(NON_FIRST, 3).command(0xC4, b"\x00", new + b"\x01", CommMode.FULL) == sent
    assert card_session(NON_FIRST, 3).new_key(0, sent, StoredKey()) == StoredKey(new, 1)


def test_an_answer_is_good_at_its_own_place_only() -> None:
    """The published answer of AN12196 table 18, one command too early, too late, bent, and without its MAC."""
    answer = _unhex("57BFF87B1241E93D")
    for commands, forged in ((0, answer), (2, answer), (1, answer[:-1] + b"\x3c"), (1, b"")):
        reader = reader_session(FIRST, commands)
        reader.command(0x5F, b"\x02", b"content", CommMode.FULL)
        with pytest.raises(AnswerForged):
            reader.answer(forged, CommMode.FULL)


# The factory's DES key


def test_the_blank_key_is_proved_with_the_published_bytes() -> None:
    """Authenticate(KeyNo=0, DES zero key, ISO) of the public "DESFire EV1 Communication Examples" (Elmü).

    skelsec/pydesfire has the same bytes in its tests, and the session key 849A36C44ED0B658: equal but for DES parity.
    """
    blank, rnd_a = DesKey(bytes(8)), _unhex("849B36C5F8BF4A09")
    challenge, proof = _unhex("5D994CE085F24089"), _unhex("21D0AD5F2FD97454A746CC80567F1B1C")
    answer = _unhex("913C6DED84221C41")
    assert des_proof(blank, challenge, rnd_a) == proof
    card = DesChallenge(0, StoredKey(kind=KeyKind.DES), _unhex("4FD1B75942A8B8E1"))
    assert card.message == challenge
    session, mine = card.answer(proof)
    assert mine == answer
    theirs = DesKey(_unhex("849A36C44ED0B658"))
    ours = des_messaging(blank, challenge, rnd_a, proof, answer)
    for key in (ours._key, session._key):
        assert key.cbc_encrypt(bytes(8), bytes(8)) == theirs.cbc_encrypt(bytes(8), bytes(8))
    with pytest.raises(CardNotOurs, match="did not prove"):
        des_messaging(blank, challenge, rnd_a, proof, bytes(8))


def test_a_change_under_a_des_session_is_the_published_cryptogram() -> None:
    """ChangeKey(KeyNo=0, 2K3DES) of the same examples: the layout that a change to AES has with one byte more."""
    session = DesKey(_unhex("C86CE25E4C647E56"))
    new = _unhex("00102031405060708090A0B0B0A09080")
    plain = new + desfire_crc32(_unhex("C400") + new)
    assert plain[16:] == _unhex("C5FF0150")
    ciphertext = session.cbc_encrypt(plain + bytes(4), bytes(8))
    assert ciphertext == _unhex("BEDE0FC6ED347DCF0D51C717DF75D97D2C5A2BA6CAC7479D")
    assert session.cbc_decrypt(ciphertext, bytes(8)) == plain + bytes(4)
    with pytest.raises(ValueError, match="has 16"):
        DesKey(bytes(16))


# Through the session, byte by byte


class Scripted:
    """A card that says what the script says, if it is asked what the script asks."""

    uid, technology = bytes(7), None

    def __init__(self, *script: tuple[str, str]) -> None:
        self._script = list(script)

    def transmit(self, apdu: bytes) -> bytes:
        """The next answer."""
        asked, answer = self._script.pop(0)
        assert apdu == _unhex(asked)
        return _unhex(answer)


def test_a_session_of_nxp_s_is_spoken_byte_by_byte() -> None:
    """AN12196: EV2First with key 3 (table 19), a write (21), NonFirst with key 0 (23), two changes of key (25, 26).

    The plain write between them is ours; the counter of the published changes of key says that one was there.
    """
    randoms = iter((_unhex(SECOND["rnd_a"]), _unhex(NON_FIRST["rnd_a"])))
    card = Scripted(
        ("9071000002030000", SECOND["challenge"] + "91AF"),
        ("90AF000020" + SECOND["proof"] + "00", SECOND["answer"] + "9100"),
        (
            "908D00001F030000000A00006B5E6804909962FC4E3FF5522CF0F8436C0C53315B9C73AA00",
            "C26D236E4A7C046D9100",
        ),
        ("90770000010000", NON_FIRST["challenge"] + "91AF"),
        ("90AF000020" + NON_FIRST["proof"] + "00", NON_FIRST["answer"] + "9100"),
        ("908D000008010E0000010000FF00", "9100"),
        (
            "90C4000029022CF362B7BF4311FF3BE1DAA295E8C68DE09050560D19B9E16C2393AE9CD1FAC75D0CE20BCD1D06E600",
            "203BB55D1089D5879100",
        ),
        (
            "90C400002900C0EB4DEEFEDDF0B513A03A95A75491818580503190D4D05053FF75668A01D6FDA6610234BDED643200",
            "9100",
        ),
    )
    session = DesfireSession(card, lambda _: next(randoms))
    session.speaks_ev2 = True
    session.authenticate(3, ZERO)
    session.command(0x8D, _unhex("030000000A0000"), _unhex("0102030405060708090A"), CommMode.FULL)
    session.authenticate(0, ZERO)
    session.command(0x8D, _unhex("010E0000010000"), b"\xff", CommMode.PLAIN)
    session.change_key(2, AesKey(_unhex("F3847D627727ED3BC9C4CC050489B966")), 1, current=ZERO)
    session.change_key(0, AesKey(_unhex("5004BF991F408672B1EF00F08F9E8647")), 1)
    assert session.key_no is None


def test_a_long_command_goes_in_frames_the_card_asks_for() -> None:
    """M075031, additional frames: the card asks for more with af until it has all."""
    data = bytes(range(120))
    card = Scripted(
        ("903D000036" + data[:54].hex() + "00", "91AF"),
        ("90AF000036" + data[54:108].hex() + "00", "91AF"),
        ("90AF00000C" + data[108:].hex() + "00", "AA91AF"),
        ("90AF000000", "BB9100"),
    )
    assert exchange(card, 0x3D, data) == b"\xaa\xbb"
