"""A till whose card keys lie in a SAM: its settings, a sale, what it cannot do, and what it says without the chip."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from hardware.readers.pcsc import PcscReader
from hardware.simulated.pcscd import PrivatePcscd
from hardware.simulated.reader import SimulatedReader
from hardware.simulated.vpcd import VirtualSlot
from protocol.limits import ClassLimits, LimitRules
from protocol.money import Cents
from protocol.purse import CardClass
from protocol.signing import to_base64url
from terminal.card_key_files import DELIVERED_FILE
from terminal.card_thread import CardThread
from terminal.cards_command import NO_READER, OK, WRONG_CONFIG, main
from terminal.config import ConfigWrong, read_config
from tests.hardware.card_bench import KEYS, Kind, issued, loaded
from tests.hardware.sam_bench import HOST_KEY, Slot, keys_in, virtual_sam
from tests.terminal.counter import CounterBench
from tests.terminal.journals import open_store

IN_SAM = "[sam]\nkey_sets = [1]\ndebit = 10\n"
HOST = f'host_key = "{to_base64url(HOST_KEY.key.raw)}"\n'


def written(tmp_path: Path, sam: str, head: str = "") -> Path:
    """A till's settings without card keys."""
    path = tmp_path / "terminal.toml"
    path.write_text(f'directory = "data"\nmerchant = "m1"\n{head}{sam}')
    path.chmod(0o600)
    return path


def test_the_settings_name_what_lies_in_the_sam(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, "[sam]\nkey_sets = [2, 1]\ndebit = 10\ncredit = 11\n" + HOST))
    assert (config.card_keys.key_sets, config.key_set_new) == ((2, 1), 2)
    in_sam = config.card_keys.in_sam
    assert in_sam is not None and list(in_sam.entries.values()) == [10], "a till does not use the credit key"
    assert to_base64url(HOST_KEY.key.raw) not in repr(config)


@pytest.mark.parametrize(
    ("sam", "head", "sentence"),
    [
        (IN_SAM, 'may = ["load"]\n', "sam: the entry of the credit key is missing, and `may` has load or topup"),
        (IN_SAM + "credit = 11\n", 'may = ["office"]\n', "sam: a card office needs the keys themselves"),
        (IN_SAM + 'host_key = "short"\n', "", "sam: host_key: it is 16 bytes in base64url"),
        (IN_SAM.replace("[1]", "[1, 2, 3, 4]"), "", r"sam\.key_sets"),
        (IN_SAM.replace("10", "256"), "", r"sam\.debit"),
        (
            f'{IN_SAM}[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n',
            "",
            "sam: card keys lie here too",
        ),
    ],
)
def test_settings_that_do_not_fit_a_sam_say_why(tmp_path: Path, sam: str, head: str, sentence: str) -> None:
    with pytest.raises(ConfigWrong, match=sentence):
        read_config(written(tmp_path, sam, head))


def test_keys_that_were_delivered_are_not_kept_beside_a_sam(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / DELIVERED_FILE).touch()
    with pytest.raises(ConfigWrong, match=f"sam: card keys lie here too .*{DELIVERED_FILE}.*: take them out"):
        read_config(written(tmp_path, IN_SAM))


def test_a_host_key_is_its_owners_alone(tmp_path: Path) -> None:
    path = written(tmp_path, IN_SAM + HOST)
    path.chmod(0o644)
    with pytest.raises(ConfigWrong, match="chmod 600"):
        read_config(path)


async def test_a_sale_is_paid_and_where_a_pin_is_needed_none_is_asked_for_nor_counted(tmp_path: Path) -> None:
    journal = await open_store(tmp_path)
    counter = CounterBench(journal, keys_in(Slot(virtual_sam())))
    await counter.shell.start()
    rules = LimitRules(classes=(ClassLimits(CardClass.STUDENT, pin_above=Cents(1_000)),))
    await counter.shell.apply_lists(replace(counter.shell.lists, rules=rules))
    card = loaded(Kind.EV1, 5_000, pin="4711").card
    await counter.types("ring 20", "pay")
    assert (await counter.taps(card)).lines == ("This till cannot check a PIN.",)
    await counter.takes_off()
    await counter.types("clear", "ring 10", "pay")
    assert (await counter.taps(card)).title == "Paid"
    await counter.takes_off()
    await counter.types("ring 1", "pay")
    assert (await counter.taps(issued(Kind.CLASSIC).card)).phase == "not_done"
    await journal.close()


async def test_no_card_is_taken_while_the_sam_is_missing(tmp_path: Path) -> None:
    slot = Slot(virtual_sam(), commands_left=0)
    in_sam = keys_in(slot).in_sam
    assert in_sam is not None
    told: asyncio.Queue[str] = asyncio.Queue()

    class Told:
        async def card_arrived(self, channel: object) -> None:
            await told.put("arrived")

        async def card_left(self) -> None: ...

        async def several_cards(self, *, there: bool) -> None: ...

        async def reader_changed(self, fault: str) -> None:
            await told.put(fault or "back")

    reader = SimulatedReader()
    reader.place(issued(Kind.EV1).card)
    thread = CardThread(reader, in_sam.sam.version)
    watching = asyncio.create_task(thread.watch(Told()))
    async with asyncio.timeout(10):
        assert await told.get() == "pulled out"
        slot.commands_left = None
        assert [await told.get(), await told.get()] == ["back", "arrived"]
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    thread.close()


@pytest.mark.integration
def test_the_cards_command_shows_the_sam_and_reads_a_card_with_its_keys(tmp_path: Path, pcscd: PrivatePcscd) -> None:
    said, warned = list[str](), list[str]()
    path = written(tmp_path, IN_SAM + f'reader = "{pcscd.names[1]}"\n')
    with VirtualSlot(pcscd.ports[1]) as slot:
        with PcscReader(pcscd.reader_names[1]) as looking:
            assert looking.wait_until_absent(5)
        assert main(["sam", "--config", str(path)], said.append, warned.append) == NO_READER
        assert "The SAM cannot be used" in warned[-1]
        slot.insert(virtual_sam())
        with PcscReader(pcscd.reader_names[1]) as looking:
            assert looking.wait_for_card(5) is not None
        assert main(["sam", "--config", str(path)], said.append, warned.append) == OK
        assert said[-1] == f"SAM AV2 in {pcscd.reader_names[1]}, UID 04112233445566."
        assert main(["sam", "--json", "--config", str(path)], said.append, warned.append) == OK
        assert json.loads(said[-1])["generation"] == 2
        reader = SimulatedReader()
        reader.place(issued(Kind.EV2).card)
        assert main(["read", "--json", "--config", str(path)], said.append, warned.append, reader) == OK
        assert json.loads(said[-1])["purse"]["main"] == 5_000


def test_without_one_in_the_settings_there_is_no_sam_to_show(tmp_path: Path) -> None:
    path, warned = written(tmp_path, f'[[card_keys]]\nkey_set = 1\ndebit = "{to_base64url(KEYS.debit)}"\n'), list[str]()
    assert main(["sam", "--config", str(path)], warned.append, warned.append) == WRONG_CONFIG
    assert warned == ["The SAM cannot be used (settings: [sam])."]
