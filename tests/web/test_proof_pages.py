"""The proof of an entry, and that whoever has openssl and nothing of ours can check what the page says."""

import subprocess
from pathlib import Path

import pytest
from sqlalchemy import update

from protocol.audit_command import OK
from protocol.audit_command import main as audit
from protocol.signing import SigningKey, sha256_of, to_base64url
from server import tables
from server.app import House
from server.entries.rules import key_pem
from tests.server.desk import Clock, let_change
from tests.web.conftest import Visit
from tests.web.house import WebHouse
from tests.web.story import Story, lunch
from tests.web.visitor import SEEN, Visitor

pytestmark = pytest.mark.integration

TOLD: list[Story] = []


async def prepare(house: House, clock: Clock) -> None:
    """Two days of a campus."""
    TOLD[:] = [await lunch(house, clock)]


@pytest.fixture
def story(house: WebHouse) -> Story:
    return TOLD[0]


def path_of(story: Story, name: str) -> str:
    tno, branch, seq = story.entries[name]
    return f"/entries/{tno}/{branch}/{seq}"


def shell(text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """What a person does with the lines of the page."""
    directory.mkdir(exist_ok=True)
    return subprocess.run(["/bin/sh", "-e"], input=text, cwd=directory, text=True, capture_output=True, timeout=30)


def commands(visitor: Visitor, name: str = "commands") -> str:
    return visitor.page.locator(f"#{name}").text_content() or ""


def other(character: str) -> str:
    return "B" if character == "A" else "A"


@pytest.mark.parametrize(("width", "look"), SEEN)
def test_proofs_keep_nobody_out(visit: Visit, story: Story, width: str, look: str) -> None:
    visitor = visit("uma", width)
    visitor.choose(look=look)
    for name in story.entries:
        visitor.go(path_of(story, name))
        visitor.page.get_by_text("Everything that was recomputed just now holds").wait_for()
        visitor.check(f"{name} {width} {look}")


def test_openssl_alone_checks_what_the_page_shows(visit: Visit, story: Story, tmp_path: Path) -> None:
    visitor = visit("eve")
    visitor.go(path_of(story, "sale"))
    text = commands(visitor)
    done = shell(text, tmp_path / "good")
    assert done.returncode == 0, done.stderr
    assert "Signature Verified Successfully" in done.stdout
    tno, _, seq = story.entries["sale"]
    (till,) = [till for till in story.tills.values() if till.tno == tno]
    assert '"kind":"sale_settled"' in done.stdout, "what it says is there to be read"
    assert done.stdout.strip().split("\n")[-1] == till.chain[seq].prev, "the hash that the entry after it names"


@pytest.mark.parametrize("part", ["header", "payload", "signature", "key"])
def test_openssl_finds_one_changed_character(visit: Visit, story: Story, tmp_path: Path, part: str) -> None:
    visitor = visit("eve")
    visitor.go(path_of(story, "sale"))
    text = commands(visitor)
    jws = text.split("'")[1]
    pieces = jws.split(".")
    if part == "key":
        stranger = SigningKey(sha256_of(b"somebody else")).public
        before, _, rest = text.partition("-----BEGIN")
        changed = before + key_pem(stranger) + rest.partition("-----END PUBLIC KEY-----\n")[2]
    else:
        index = ["header", "payload", "signature"].index(part)
        middle = len(pieces[index]) // 2
        pieces[index] = pieces[index][:middle] + other(pieces[index][middle]) + pieces[index][middle + 1 :]
        changed = text.replace(jws, ".".join(pieces))
    assert changed != text and changed.count("\n") == text.count("\n")
    done = shell(changed, tmp_path / "bad")
    assert done.returncode != 0
    assert "Successfully" not in done.stdout


def test_openssl_checks_whose_key_it_is(visit: Visit, house: WebHouse, story: Story, tmp_path: Path) -> None:
    visitor = visit("eve", "phone")
    visitor.go(path_of(story, "sale"))
    visitor.page.get_by_text("Signed by this server's key").wait_for()
    done = shell(commands(visitor, "grant-commands"), tmp_path / "grant")
    assert "Signature Verified Successfully" in done.stdout, done.stderr
    tno, branch, _ = story.entries["sale"]
    (till,) = [till for till in story.tills.values() if till.tno == tno]
    assert f'"key":"{to_base64url(till.key.public.raw)}"' in done.stdout
    visitor.go(f"/entries/{tno}/{branch}/1")
    visitor.page.get_by_text("The epoch's grant: this is the first entry").wait_for()
    assert done.stdout.strip().split("\n")[-1] in visitor.page.locator(".chain").inner_text()


def test_files_are_the_same_as_the_page(visit: Visit, story: Story, tmp_path: Path) -> None:
    visitor = visit("cleo")
    visitor.go(path_of(story, "recovered"))
    kept: dict[str, Path] = {}
    for name in ("check.sh", "entry.jws", "key.pem", "grant.jws", "head.jws"):
        with visitor.page.expect_download() as coming:
            visitor.page.locator(f"a[href$='/{name}']").click()
        kept[name] = tmp_path / name
        coming.value.save_as(kept[name])
    done = shell(kept["check.sh"].read_text(), tmp_path / "run")
    assert "Signature Verified Successfully" in done.stdout
    assert (tmp_path / "run" / "entry.jws").read_bytes() == kept["entry.jws"].read_bytes()
    assert (tmp_path / "run" / "entry-key.pem").read_bytes() == kept["key.pem"].read_bytes()
    assert visitor.page.locator("a[href$='/row.json']").count() == 0, "paths are for auditors"
    visitor.check()


def test_an_auditor_proves_that_it_was_sealed(visit: Visit, house: WebHouse, story: Story, tmp_path: Path) -> None:
    visitor = visit("uma")
    visitor.go(path_of(story, "recovered"))
    for name in ("row.json", "head.jws"):
        with visitor.page.expect_download() as coming:
            visitor.page.locator(f"a[href$='/{name}']").click()
        coming.value.save_as(tmp_path / name)
    key = to_base64url(house.house.keys.ack.public.raw)
    asked = [str(tmp_path / "head.jws"), "--server-key", key, "--row", str(tmp_path / "row.json")]
    said: list[str] = []
    assert audit(asked, said.append, said.append) == OK, said
    visitor.go(path_of(story, "sale"))
    visitor.page.get_by_text("Not sealed yet").wait_for()


def test_the_chain_is_walked_by_its_links(visit: Visit, story: Story) -> None:
    visitor = visit("eve", "phone")
    page = visitor.page
    tno, branch, seq = story.entries["sale"]
    visitor.go(f"/entries/{tno}/{branch}/{seq}")
    here = page.locator(".chain .is-here code").inner_text()
    page.locator(".chain").get_by_role("link", name=f"Entry {seq + 1}").click()
    page.get_by_role("heading", name=f"Proof of entry {seq + 1}").wait_for()
    assert page.locator(".chain li").first.locator("code").inner_text() == here
    page.locator(".chain").get_by_role("link", name=f"Entry {seq}").click()
    page.get_by_role("heading", name=f"Proof of entry {seq}", exact=True).wait_for()


def test_the_money_of_a_sale_sums_to_zero_and_the_card_goes_on(visit: Visit, story: Story) -> None:
    visitor = visit("bob")
    page = visitor.page
    tno, branch, seq = story.entries["sale"]
    visitor.go(f"/entries/{tno}/{branch}/{seq - 1}")
    moved = page.get_by_role("region", name="What it moved")
    assert moved.locator("tbody tr").count() == 2
    assert moved.locator("tfoot .money").inner_text() == "0.00"
    before = page.get_by_role("region", name="The step before").locator("tbody tr").first
    this = page.get_by_role("region", name="This one").locator("tbody tr").first
    left, amount, after = (
        row.locator("td .money").nth(place).inner_text() for row, place in ((before, 1), (this, 0), (this, 1))
    )
    assert float(left) - float(amount.replace("−", "")) == pytest.approx(float(after))
    page.get_by_role("link", name=f"Entry {seq}", exact=True).first.click()
    page.get_by_text("Hand-pulled beef noodles").wait_for()
    page.get_by_role("link", name="Card 1", exact=True).click()
    page.get_by_role("heading", name="Card 1").wait_for()
    page.get_by_role("link", name="Sale of").first.click()
    page.get_by_role("heading", name=f"Proof of entry {seq - 1}").wait_for()


def test_a_card_that_was_used_twice_shows_both_uses(visit: Visit, story: Story) -> None:
    visitor = visit("eve")
    visitor.go(f"/cards/{story.cards['forked']}")
    visitor.page.get_by_role("link", name="Sale of").first.click()
    beside = visitor.page.get_by_role("region", name="Others at the same counter")
    beside.wait_for()
    assert beside.locator("tbody tr").count() == 1
    visitor.check()


def test_a_byte_that_was_changed_in_the_database_is_seen(visit: Visit, house: WebHouse, story: Story) -> None:
    tno, branch, seq = story.entries["refunded"]
    (till,) = [till for till in story.tills.values() if till.tno == tno]
    good = till.chain[seq - 1].jws
    head, _, signature = good.rpartition(b".")
    bad = head + b"." + other(chr(signature[10])).join([signature[:10].decode(), signature[11:].decode()]).encode()

    async def write(jws: bytes) -> None:
        async with house.house.database.writing() as connection:
            await let_change(connection, "entry")
            same = (tables.entry.c.tno == tno, tables.entry.c.branch == branch, tables.entry.c.seq == seq)
            await connection.execute(update(tables.entry).where(*same).values(jws=jws))

    house.do(lambda _: write(bad))
    try:
        visitor = visit("eve")
        visitor.go(f"/entries/{tno}/{branch}/{seq}")
        for words in ("Something that was recomputed does not hold", "does not hold under this key", "were changed"):
            visitor.page.get_by_text(words).wait_for()
        visitor.check()
        visitor.go(f"/entries/{tno}/{branch}/{seq + 1}")
        visitor.page.get_by_text("Names another hash").wait_for()
    finally:
        house.do(lambda _: write(good))


def test_an_entry_that_never_came_is_a_page_that_says_so(visit: Visit, story: Story) -> None:
    visitor = visit("eve", "phone")
    with visitor.expect_problem(404):
        visitor.go("/entries/999/0/1")
    visitor.page.get_by_text("No such entry has come.").wait_for()
    visitor.check()


@pytest.mark.parametrize(("language", "words"), [("zh-Hans", "兰州牛肉拉面"), ("zh-Hant", "蘭州牛肉拉麵")])
def test_a_proof_is_read_in_chinese(visit: Visit, story: Story, language: str, words: str) -> None:
    visitor = visit("eve")
    visitor.choose(language=language)
    visitor.go(path_of(story, "sale"))
    visitor.page.get_by_text(words).wait_for()
    visitor.check()
