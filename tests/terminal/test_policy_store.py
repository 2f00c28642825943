"""Lists are in force whole or not at all, never go back, and never stop a sale."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from protocol.authorise import Listed
from protocol.card_status import encode_base, encode_delta
from protocol.entries import ListVersions
from protocol.ids import CardNo, Generation, SiteId
from protocol.instants import ClockSource, MonoMs, Now, UtcMs
from protocol.messages import ListFile, sign, version_of
from protocol.policy import CardsFile, encode_file
from protocol.price_list import LaterPrices, PriceList, encode_prices
from protocol.signing import SigningKey, sha256_of, to_base64url
from protocol.site_files import Announcement, TextsFile
from protocol.trust import Trust
from terminal.policy_store import NO_POLICY, Applied, Offered, PolicyStore, Reason, Refused, Unchanged, Waiting
from tests.protocol.samples import KEYS, NOON, SERVER_KEY, SIGNED_LOAD, SITE
from tests.terminal.counter import RICE
from tests.terminal.journals import TRUST
from tests.terminal.site_lists import CARDS, LIMITS, LOADS, MORE_CARDS, SiteLists, first_lists, prices

BLOCKED = (CardNo(1_001), Generation(1))


def store_in(directory: Path, *, takes_loads: bool = True, site: SiteId = SITE) -> PolicyStore:
    return PolicyStore(directory / "lists", site, TRUST, takes_loads=takes_loads)


def feed(store: PolicyStore, lists: SiteLists, manifest: bytes) -> Offered:
    """Offer a manifest, and the parts it asks for."""
    offered = store.offer_manifest(manifest)
    while isinstance(offered, Waiting):
        assert offered.parts == store.needs()
        offered = store.offer_part(offered.parts[0], lists.parts[offered.parts[0]])
    return offered


def reason(offered: Offered) -> Reason:
    assert isinstance(offered, Refused)
    return offered.reason


def test_before_the_first_lists_everything_may_be_sold_by_amount(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.active == NO_POLICY
    assert store.needs() == ()
    assert store.active.texts.announced(NOON, "en") == ()
    assert store.active.expires == 0


def test_complete_lists_are_in_force_at_once_and_after_a_restart(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    lists.put("texts", encode_file(TextsFile(announcements=(Announcement("hi", "你好", "你好"),))), 14)
    manifest = lists.publish()
    offered = feed(store, lists, manifest)
    assert isinstance(offered, Applied)
    assert offered.manifest == to_base64url(sha256_of(manifest))
    for known in (store, store_in(tmp_path)):
        active = known.active
        assert active.versions == ListVersions(cards=11, prices=12, limits=13, texts=14)
        assert active.book.standing(BLOCKED).listed is Listed.BLOCKED
        assert (active.rules, active.prices.version, active.as_of) == (LIMITS, 12, NOON)
        assert known.active.texts.announced(NOON, "zh_hans") == ("你好",)
        assert active.expires > NOON
        assert known.offer_manifest(manifest) == Unchanged()


def test_prices_for_later_hold_from_their_instant_on_also_after_a_restart(tmp_path: Path) -> None:
    lists, at = first_lists(), UtcMs(NOON + 1_000)
    lists.put("prices", encode_prices(PriceList(14, "CNY", (), LaterPrices(15, at, (RICE,)))), 14)
    feed(store_in(tmp_path), lists, lists.publish())
    after = Now(at, MonoMs(0), clock=ClockSource.SERVER)
    before = replace(after, utc_ms=UtcMs(at - 1))
    for store in (store_in(tmp_path), store_in(tmp_path)):
        assert store.switch(before) is None and store.active.versions.prices == 14
        assert store.switch(replace(after, clock=ClockSource.NONE)) is None, "nobody knows what time it is"
        switched = store.switch(after)
        assert switched is not None and switched is store.active and store.switch(after) is None
        assert (switched.versions.prices, switched.prices.products) == (15, (RICE,))
    lists.put("prices", encode_prices(PriceList(15, "CNY", (RICE,))), 15)
    assert isinstance(feed(store_in(tmp_path), lists, lists.publish()), Applied), (
        "the server says the same under the same version"
    )


def test_until_the_last_part_the_old_lists_hold(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    before = store.active
    lists.put("cards", encode_file(MORE_CARDS), 21)
    offered = store.offer_manifest(lists.publish())
    assert isinstance(offered, Waiting)
    *most, last = offered.parts
    assert most, "several parts are missing"
    for part in reversed(most):
        assert isinstance(store.offer_part(part, lists.parts[part]), Waiting)
        assert store.active is before
    assert isinstance(store.offer_part(last, lists.parts[last]), Applied)
    assert store.active.book.standing((CardNo(2_002), Generation(2))).topup_waiting
    assert store.active.rules == LIMITS


def test_parts_on_disk_are_not_asked_for_again(tmp_path: Path) -> None:
    """After a restart in the middle of a download, or when a list did not change."""
    store, lists = store_in(tmp_path), first_lists()
    manifest = lists.publish()
    offered = store.offer_manifest(manifest)
    assert isinstance(offered, Waiting)
    store.offer_part(offered.parts[1], lists.parts[offered.parts[1]])
    again = store_in(tmp_path).offer_manifest(manifest)
    assert isinstance(again, Waiting)
    assert set(again.parts) == set(offered.parts) - {offered.parts[1]}


def test_what_nobody_names_any_more_is_removed(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    lists.put("cards", encode_file(MORE_CARDS), 21)
    feed(store, lists, lists.publish())
    kept = {path.name for path in (tmp_path / "lists" / "parts").iterdir()}
    assert kept < set(lists.parts)
    assert store_in(tmp_path).active.versions.cards == 21


def test_a_till_does_not_fetch_loads_and_a_station_checks_each(tmp_path: Path) -> None:
    lists = first_lists()
    lists.put("loads", encode_file(LOADS), 15)
    till, station = store_in(tmp_path / "till", takes_loads=False), store_in(tmp_path / "station")
    manifest = lists.publish()
    feed(till, lists, manifest)
    feed(station, lists, manifest)
    assert (till.active.loads, till.active.versions.loads) == ({}, 0)
    assert station.active.loads == {(CardNo(1_001), Generation(1)): SIGNED_LOAD}
    assert station.active.versions.loads == 15
    *keys, load = KEYS.keys
    others = structs.replace(KEYS, keys=(*keys, structs.replace(load, key=to_base64url(SERVER_KEY.public.raw))))
    believing_another = Trust(SERVER_KEY.public, sign(others, SERVER_KEY))
    stranger = PolicyStore(tmp_path / "other", SITE, believing_another, takes_loads=True)
    assert reason(feed(stranger, lists, manifest)) is Reason.MALFORMED
    assert stranger.active == NO_POLICY


def test_very_many_cards_come_as_a_base_and_what_has_changed_since(tmp_path: Path) -> None:
    lists = first_lists()
    listed = {(CardNo(no), Generation(1)): Listed.CLOSED for no in range(1, 5_000, 2)}
    base = encode_base(listed)
    changed = encode_delta({(CardNo(1), Generation(1)): Listed.GOOD, (CardNo(2), Generation(1)): Listed.BLOCKED})
    cards = CardsFile(base=sha256_of(base).hex(), delta=to_base64url(changed))
    lists.put("base", base, 20)
    lists.put("cards", encode_file(cards), 21)
    feed(store_in(tmp_path), lists, lists.publish())
    for store in (store_in(tmp_path), store_in(tmp_path)):
        found = [store.active.book.standing((CardNo(no), Generation(1))).listed for no in (1, 2, 3, 4)]
        assert found == [Listed.GOOD, Listed.BLOCKED, Listed.CLOSED, Listed.GOOD]
        assert store.active.versions.cards == 21
    wanted = store_in(tmp_path)
    lists.put("cards", encode_file(structs.replace(cards, delta="")), 22)
    offered = wanted.offer_manifest(lists.publish())
    assert isinstance(offered, Waiting) and set(offered.parts) <= set(lists.named["cards"].parts), "the base lies here"
    for wrong in (structs.replace(cards, base="ab" * 32), structs.replace(cards, delta="AA")):
        lists.put("cards", encode_file(wrong), lists.number + 30)
        assert reason(feed(store_in(tmp_path), lists, lists.publish())) is Reason.MALFORMED
    lists.put("base", b"no base", 60)
    lists.put("cards", encode_file(CardsFile(base=sha256_of(b"no base").hex())), 61)
    assert reason(feed(store_in(tmp_path), lists, lists.publish())) is Reason.MALFORMED


# What is refused


def test_only_the_list_key_s_word_counts(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    lists.key = SigningKey(bytes(32))
    assert reason(store.offer_manifest(lists.publish())) is Reason.NOT_GENUINE
    assert reason(store.offer_manifest(b"garbage")) is Reason.NOT_GENUINE
    assert reason(store.offer_manifest(b"\xff" * 100_000)) is Reason.NOT_GENUINE


def test_another_site_s_lists_are_not_ours(tmp_path: Path) -> None:
    assert reason(store_in(tmp_path).offer_manifest(first_lists().publish(site="south-campus"))) is Reason.OTHER_SITE


def test_lists_that_were_copied_from_another_site_s_terminal_are_not_in_force(tmp_path: Path) -> None:
    lists = first_lists()
    feed(store_in(tmp_path), lists, lists.publish())
    store = store_in(tmp_path, site=SiteId("south-campus"))
    assert store.active == NO_POLICY and f"copied from a terminal of {SITE}" in store.damage


def test_lists_never_go_back(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    first, second = lists.publish(), lists.publish()
    feed(store, lists, second)
    for known in (store, store_in(tmp_path)):
        refused = known.offer_manifest(first)
        assert isinstance(refused, Refused)
        assert refused == Refused(Reason.OLDER, f"manifest {version_of(1, 1)} is older than {version_of(1, 2)}")
        assert refused.is_alarm


def test_the_same_version_with_other_content_is_an_alarm(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    refused = store.offer_manifest(lists.publish(number=1, server_time=NOON + 1))
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.is_alarm) == (Reason.SAME_VERSION_OTHER_CONTENT, True)


@pytest.mark.parametrize(
    ("version", "expected"), [(10, Reason.BELOW_FLOOR), (11, Reason.SAME_VERSION_OTHER_CONTENT), (12, None)]
)
def test_each_list_has_a_floor_even_while_no_manifest_names_it(
    tmp_path: Path, version: int, expected: Reason | None
) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    del lists.named["cards"]
    feed(store, lists, lists.publish())
    assert store.active.versions.cards == 0
    lists.put("cards", encode_file(MORE_CARDS), version)
    offered = feed(store_in(tmp_path), lists, lists.publish())
    assert (reason(offered) if expected else type(offered)) is (expected or Applied)


def test_a_part_must_be_wanted_and_be_what_it_is_called(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    offered = store.offer_manifest(lists.publish())
    assert isinstance(offered, Waiting)
    assert reason(store.offer_part(offered.parts[0], b"other")) is Reason.WRONG_HASH
    assert reason(store.offer_part("../../etc/passwd", b"")) is Reason.NOT_WANTED
    assert reason(store.offer_part("00" * 32, b"")) is Reason.NOT_WANTED
    assert store.needs() == offered.parts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cards", b'{"rows":[[0,0,"good"]]}'),
        ("cards", b'{"unknown":1}'),
        ("limits", b"not json"),
        ("limits", b'{"subsidy_period":0}'),
        ("cards", b'{"x":' + b"[" * 3_000 + b"]" * 3_000 + b"}"),
        ("prices", prices(99)),
        ("loads", b'{"records":["' + b"A" * 128 + b'"]}'),
    ],
)
def test_lists_that_cannot_be_read_change_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    before = store.active
    lists.put(name, content, 50)
    refused = feed(store, lists, lists.publish())
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.is_alarm) == (Reason.MALFORMED, True)
    assert store.active is before
    assert store_in(tmp_path).active.versions == before.versions


def test_a_manifest_cannot_ask_for_more_than_a_list_can_be(tmp_path: Path) -> None:
    lists = first_lists()
    lists.named["texts"] = ListFile(3, "00" * 32, 2**40, ("00" * 32,))
    assert reason(store_in(tmp_path).offer_manifest(lists.publish())) is Reason.TOO_LARGE


# Age, damage, power


def test_old_lists_lower_the_offline_limit_and_sell_on(tmp_path: Path) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    fresh, old = Now(NOON, MonoMs(0)), Now(UtcMs(NOON + 30 * 86_400_000), MonoMs(0))
    rules, active = store.active.rules, store.active
    assert rules.offline_sale_max(active.age_ms(fresh), ClockSource.SERVER) == 9_000
    assert rules.offline_sale_max(active.age_ms(old), ClockSource.SERVER) == 10


@pytest.mark.parametrize("name", ["cards", "limits", "prices"])
def test_a_damaged_list_leaves_the_others_in_force_and_is_fetched_again(tmp_path: Path, name: str) -> None:
    store, lists = store_in(tmp_path), first_lists()
    manifest = lists.publish()
    feed(store, lists, manifest)
    (tmp_path / "lists" / "parts" / lists.named[name].parts[0]).write_bytes(b"rotten")
    store = store_in(tmp_path)
    assert name in store.damage
    versions = store.active.versions
    assert getattr(versions, name) == 0
    assert sum(version > 0 for version in (versions.cards, versions.limits, versions.prices)) == 2
    assert (store.active.as_of == 0) == (name == "cards")
    assert isinstance(feed(store, lists, manifest), Applied)
    assert store.damage == ""
    assert store_in(tmp_path).active.versions == ListVersions(cards=11, prices=12, limits=13)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"manifest":"a.b.c","floors":{}}', b"\xff"])
def test_a_damaged_switch_file_is_said_and_healed_by_the_next_manifest(tmp_path: Path, content: bytes) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    (tmp_path / "lists" / "active.json").write_bytes(content)
    store = store_in(tmp_path)
    assert store.active == NO_POLICY
    assert "active.json" in store.damage
    assert isinstance(feed(store, lists, lists.publish()), Applied)


def test_a_disk_without_space_keeps_the_old_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, lists = store_in(tmp_path), first_lists()
    feed(store, lists, lists.publish())
    lists.put("cards", encode_file(MORE_CARDS), 21)
    offered = store.offer_manifest(lists.publish())
    assert isinstance(offered, Waiting)

    def no_space(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    refused = store.offer_part(offered.parts[0], lists.parts[offered.parts[0]])
    assert reason(refused) is Reason.NO_SPACE
    monkeypatch.undo()
    assert store.active.versions.cards == 11
    assert isinstance(feed(store, lists, lists.publish()), Applied)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_the_power_fails_at_every_step_of_a_switch(tmp_path: Path) -> None:
    """At every step a process dies; the next start has the old lists or the new ones, and gets the rest."""
    lists = first_lists()
    first = lists.publish()
    lists.put("cards", encode_file(MORE_CARDS), 21)
    second = lists.publish()
    step, status, seen = 0, 1, set()
    while status:
        step += 1
        place = tmp_path / str(step)
        assert isinstance(feed(store_in(place), lists, first), Applied)
        status = _die_at(step, lambda place=place: feed(store_in(place), lists, second))  # type: ignore[misc]
        store = store_in(place)
        assert store.damage == ""
        assert store.active.versions.cards in (11, 21)
        assert (store.active.book.standing(BLOCKED).listed, store.active.rules) == (Listed.BLOCKED, LIMITS)
        seen.add(store.active.versions.cards)
        assert isinstance(feed(store, lists, second), Applied | Unchanged)
        assert store.active.book.standing((CardNo(2_002), Generation(2))).topup_waiting
    assert step > 10
    assert seen == {11, 21}
    assert CARDS != MORE_CARDS


def _die_at(last_step: int, work: Callable[[], object]) -> int:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    steps = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal steps
            steps += 1
            if steps == last_step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **more)

        return call

    for name in ("open", "fsync", "close"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("replace", "unlink"):
        setattr(Path, name, counted(getattr(Path, name)))
    work()
    os._exit(0)
