"""Makes the lists of a site and their signed manifest; what is published is in the database first."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from msgspec import Struct, structs
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from protocol.card_status import CardBase, encode_base
from protocol.ids import CardNo, SiteId
from protocol.instants import DAY_MS, UtcMs
from protocol.limits import LimitRules
from protocol.messages import sign, version_of
from protocol.policy import CardRow, CardsFile, LoadsFile, NotAList, cards_file, encode_file, load_text, read_file
from protocol.price_list import NO_PRICES, LaterPrices, PriceList, Product, decode_prices, encode_prices
from protocol.signing import sha256_of
from protocol.site_files import ConfigFile, StaffFile
from server import due
from server.cards.service import Cards
from server.db import Database
from server.due import Due
from server.due_now import took
from server.errors import Conflict, Invalid, NotFound
from server.keys import ServerKeys
from server.numbers import LIST_NUMBER, hold, next_number, server_epoch
from server.policy import store
from server.policy.rules import PriceChanges, Publication, edited, ladder_fault, manifest, parts_of
from server.policy.store import StoredFile

OLD_PARTS_STAY_MS = 7 * DAY_MS
_AT_ONCE = UtcMs(0)


class Policy:
    """The signed lists of every site."""

    def __init__(
        self,
        database: Database,
        keys: ServerKeys,
        cards: Cards,
        clock: Callable[[], UtcMs],
        valid_ms: int = 3 * DAY_MS,
    ) -> None:
        self._database, self._keys, self._cards, self._clock = database, keys, cards, clock
        self._valid_ms = valid_ms
        self._named: dict[SiteId, Mapping[str, int]] = {}
        """What the newest manifest of each site names; empty after a start, and then everything is published."""
        self._switch_at: dict[SiteId, UtcMs] = {}
        """When prices that wait become the list, as of the last publication of each site where some do."""
        self.changed = asyncio.Event()
        """Set when a list may have changed; the publisher clears it."""

    async def put_prices(self, site: SiteId, products: tuple[Product, ...], valid_from: UtcMs = _AT_ONCE) -> int:
        """New prices of a site, at once or from an instant ahead on. Returns the version of the list that says so."""
        self._require_ahead(valid_from)

        def change(present: PriceList, following: int) -> PriceList:
            later = present.later
            if valid_from:
                return structs.replace(present, later=LaterPrices(following, valid_from, products))
            return structs.replace(
                present, products=products, later=structs.replace(later, version=following) if later else None
            )

        return await self._put_prices(site, change, [product.id for product in products])

    async def change_prices(
        self, site: SiteId, made_from: int, changes: PriceChanges, valid_from: UtcMs = _AT_ONCE
    ) -> int:
        """Change, add or take away (None) some products, at once or from an instant ahead on. Returns the version.

        `made_from`: the version of the prices that were looked at. Raises Conflict where there are others by now.
        """
        self._require_ahead(valid_from)

        def change(present: PriceList, following: int) -> PriceList:
            _require_same(present, made_from)
            made = edited(present, changes, LaterPrices(following, valid_from, ()) if valid_from else None)
            return structs.replace(made, later=structs.replace(made.later, version=following)) if made.later else made

        return await self._put_prices(site, change, [name for name, new in changes.items() if new is not None])

    async def start_prices(self, site: SiteId, made_from: int) -> int:
        """Prices that wait for their time hold at once. Raises Conflict."""

        def change(present: PriceList, _: int) -> PriceList:
            _require_same(present, made_from)
            return structs.replace(present, products=_waiting(present).products, later=None)

        return await self._put_prices(site, change)

    async def drop_prices(self, site: SiteId, made_from: int) -> int:
        """Prices that wait for their time are not wanted any more. Raises Conflict."""

        def change(present: PriceList, _: int) -> PriceList:
            _require_same(present, made_from)
            _waiting(present)
            return structs.replace(present, later=None)

        return await self._put_prices(site, change)

    async def prices(self, site: SiteId, version: int | None = None) -> PriceList:
        """The prices in force with what waits, or those of an earlier version as they were put. Raises NotFound."""
        async with self._database.reading() as connection:
            if version is None:
                known = await store.newest(connection, site, "prices")
                return decode_prices(known.body).at(self._clock()) if known else NO_PRICES
            found = await store.of_version(connection, site, "prices", version)
        if found is None:
            raise NotFound("no_such_list", f"{site} has no prices of version {version}")
        return decode_prices(found.body)

    async def history(self, site: SiteId, name: str, before: int | None, limit: int) -> Sequence[RowMapping]:
        """The versions of a list, newest first: `version`, `sha256`, `at`."""
        async with self._database.glancing() as connection:
            return await store.history(connection, site, name, before, limit)

    async def merchants(self, site: SiteId) -> list[str]:
        """For whom the terminals of a site sell."""
        async with self._database.glancing() as connection:
            return sorted(await store.merchants(connection, site) - {""})

    async def _put_prices(
        self, site: SiteId, change: Callable[[PriceList, int], PriceList], products: Sequence[str] = ()
    ) -> int:
        """Store what `change` makes of the prices in force; it gets a version for what waits, too."""
        now = self._clock()

        async def make(connection: AsyncConnection) -> tuple[int, bytes]:
            version, following = await self._version(connection), await self._version(connection)
            known = await store.newest(connection, site, "prices")
            present = decode_prices(known.body).at(now) if known else NO_PRICES
            try:
                raw = encode_prices(structs.replace(change(present, following), version=version))
                decode_prices(raw)
            except ValueError as error:
                raise Invalid("not_a_price_list", str(error)) from error
            return version, raw

        return await self._put(site, "prices", make, tuple(products))

    def _require_ahead(self, valid_from: UtcMs) -> None:
        if valid_from and valid_from <= self._clock():
            raise Invalid("not_ahead", "valid_from lies in the past; 0 means at once")

    async def put_limits(self, site: SiteId, rules: LimitRules) -> int:
        """New spending rules of a site. Returns their version. Raises Invalid."""
        if fault := ladder_fault(rules.offline):
            raise Invalid("not_a_ladder", fault)
        return await self.put_file(site, "limits", rules)

    async def staff(self, site: SiteId) -> StaffFile:
        """Who may open a shift at a site."""
        async with self._database.glancing() as connection:
            found = await store.newest(connection, site, "staff")
        return read_file(found.body, StaffFile) if found else StaffFile()

    async def body_of(self, site: SiteId, name: str) -> StoredFile:
        """A list in force. Raises NotFound."""
        async with self._database.glancing() as connection:
            found = await store.newest(connection, site, name)
        if found is None:
            raise NotFound("no_such_list", f"{site} has no list {name}")
        return found

    async def sites(self) -> list[SiteId]:
        """Every site."""
        async with self._database.glancing() as connection:
            return [SiteId(site) for site in await store.sites(connection)]

    async def require(self, site: SiteId) -> None:
        """A list for a site that is none would lie there, and its own terminals would miss it. Raises NotFound."""
        async with self._database.glancing() as connection:
            known = await store.registered_sites(connection)
        if site not in known:
            raise NotFound(
                "no_such_site",
                f"no terminal is registered in a site {site}. Sites with terminals: {', '.join(known) or 'none yet'}. "
                "A site begins with its first terminal: PUT /terminals/T",
            )

    async def require_merchants(self, site: SiteId, products: Iterable[Product]) -> None:
        """A product of a merchant for whom no terminal of the site sells would never be sold. Raises Invalid.

        Known are the merchants of its terminals and of the prices in force; a terminal that has none in the register
        may sell for any.
        """
        async with self._database.reading() as connection:
            selling, present = await store.merchants(connection, site), await store.newest(connection, site, "prices")
        if "" in selling:
            return
        in_force = {str(known.merchant) for known in decode_prices(present.body).products} if present else set[str]()
        known = sorted((selling | in_force) - {""})
        strange = sorted({str(one.merchant) for one in products} - {*known, ""})
        if strange:
            raise Invalid(
                "no_such_merchant",
                f"no terminal of {site} sells for {', '.join(strange)}. Merchants there: "
                f"{', '.join(known) or 'none yet'}. A merchant begins with its first terminal: PUT /terminals/T",
            )

    async def take_floors(self) -> None:
        """Once a night: what was read from cards becomes their floor."""

        async def take_floors(connection: AsyncConnection) -> None:
            await store.take_floors(connection)
            await due.leave(connection, Due.LISTS)

        await self._database.transact(take_floors)
        self.changed.set()

    async def took_changes(self) -> bool:
        """Whether a list has changed since this was last asked; who asks must then publish. Cheap where none has."""
        return await took(self._database, Due.LISTS)

    def sites_to_switch(self) -> set[SiteId]:
        """Where prices have waited until now: terminals use them already, and the next publication says so."""
        now = self._clock()
        return {site for site, at in self._switch_at.items() if at <= now}

    async def server_epoch(self) -> int:
        """Which life of the server this is."""
        async with self._database.glancing() as connection:
            return await server_epoch(connection)

    async def publication(self, site: SiteId, *, even_if_same: bool) -> Publication | None:
        """The newest manifest with its parts; None: nothing changed since the last one."""
        waiting = await self._cards.sign_loads()
        records = tuple(load_text(raw) for _, raw in waiting)
        numbers = tuple(sorted({no for no, _ in waiting}))

        async def make(connection: AsyncConnection) -> Publication | None:
            await hold(connection, LIST_NUMBER)
            listed = await store.listed_cards(connection)
            cards = await self._cards_file(connection, site, listed, numbers)
            cards_version = await self._keep(connection, site, "cards", encode_file(cards))
            await store.note_closed(connection, cards_version, listed)
            await self._keep(connection, site, "loads", encode_file(LoadsFile(records)))
            later = await self._switch_prices(connection, site)
            self._switch_at.pop(site, None)
            if later is not None:
                self._switch_at[site] = later.at
            await self._place_spares(connection, site)
            await self._renew_old_epochs(connection, site)
            if await self._versions(connection, site) == self._named.get(site) and not even_if_same:
                return None
            return await self._manifest(connection, site)

        publication = await self._database.transact(make)
        if publication is not None:
            self._named[site] = publication.versions
        return publication

    async def _cards_file(
        self, connection: AsyncConnection, site: SiteId, listed: tuple[CardRow, ...], waiting: tuple[CardNo, ...]
    ) -> CardsFile:
        """Beside the base that terminals have; where too much has changed since, beside a new one."""
        by_card = {(row.no, row.generation): row.listed for row in listed}
        floors, known = await store.floors(connection), await store.newest(connection, site, "base")
        if known is not None:
            made = cards_file(by_card, CardBase(known.body), known.sha256, waiting, floors)
        else:
            made = cards_file(by_card, None, "", waiting, floors)
        if made is None:
            raw = await asyncio.to_thread(encode_base, by_card)
            await self._keep(connection, site, "base", raw)
            made = CardsFile((), waiting, floors, sha256_of(raw).hex())
        return made

    async def _manifest(self, connection: AsyncConnection, site: SiteId) -> Publication:
        now = self._clock()
        files = {name: await self._stored(connection, site, name) for name in await store.names(connection, site)}
        version = await self._version(connection)
        bodies = {name: (file.version, file.body) for name, file in files.items()}
        versions = {name: file.version for name, file in files.items()}
        named = manifest(site, version, bodies, now, self._valid_ms)
        parts = {part: piece for file in files.values() for part, piece in parts_of(file.body).items()}
        await store.note_parts(connection, site, parts, now)
        gone = await store.drop_parts(connection, site, now - OLD_PARTS_STAY_MS)
        return Publication(site, sign(named, self._keys.list), parts, tuple(gone), versions)

    async def put_file(self, site: SiteId, name: str, file: Struct) -> int:
        """A list that holds no version of its own. Returns the one it got. Raises Invalid."""
        try:
            raw = encode_file(file)
            read_file(raw, type(file))
        except NotAList as error:
            raise Invalid("not_a_list", str(error)) from error

        async def make(connection: AsyncConnection) -> tuple[int, bytes]:
            return await self._version(connection), raw

        return await self._put(site, name, make)

    async def _put(
        self,
        site: SiteId,
        name: str,
        make: Callable[[AsyncConnection], Awaitable[tuple[int, bytes]]],
        products: tuple[str, ...] = (),
    ) -> int:
        async def put(connection: AsyncConnection) -> int:
            version, raw = await make(connection)
            await store.put(connection, site, name, _file(version, raw), self._clock())
            await store.keep_products(connection, site, products)
            await due.leave(connection, Due.LISTS)
            return version

        version = await self._database.transact(put)
        self.changed.set()
        return version

    async def _version(self, connection: AsyncConnection) -> int:
        return version_of(await server_epoch(connection), await next_number(connection, LIST_NUMBER))

    async def _switch_prices(self, connection: AsyncConnection, site: SiteId) -> LaterPrices | None:
        """Later prices whose time has come are the list, under the version that terminals use already. What waits."""
        known = await store.newest(connection, site, "prices")
        prices = decode_prices(known.body) if known else NO_PRICES
        present = prices.at(self._clock())
        if present is not prices:
            await store.put(connection, site, "prices", _file(present.version, encode_prices(present)), self._clock())
        return present.later

    async def _keep(self, connection: AsyncConnection, site: SiteId, name: str, body: bytes) -> int:
        """The version of this very content: the one in force, or a new one."""
        known = await store.newest(connection, site, name)
        if known is not None and known.sha256 == sha256_of(body).hex():
            return known.version
        version = await self._version(connection)
        await store.put(connection, site, name, _file(version, body), self._clock())
        return version

    async def _place_spares(self, connection: AsyncConnection, site: SiteId) -> None:
        """The `config` list says where former spares stand, whatever was put there."""
        known, places = await store.newest(connection, site, "config"), await store.places(connection, site)
        config = read_file(known.body, ConfigFile) if known else ConfigFile()
        if config.places != places:
            await self._keep(connection, site, "config", encode_file(structs.replace(config, places=places)))

    async def _renew_old_epochs(self, connection: AsyncConnection, site: SiteId) -> None:
        """After a restore terminals may have seen higher versions than ours: every file gets one of the new epoch."""
        first = version_of(await server_epoch(connection), 0)
        for name in await store.names(connection, site):
            known = await self._stored(connection, site, name)
            if known.version >= first:
                continue
            version, body = await self._version(connection), known.body
            if name == "prices":
                prices = decode_prices(body)
                later = structs.replace(prices.later, version=await self._version(connection)) if prices.later else None
                body = encode_prices(structs.replace(prices, version=version, later=later))
            await store.put(connection, site, name, _file(version, body), self._clock())

    async def _versions(self, connection: AsyncConnection, site: SiteId) -> dict[str, int]:
        return {
            name: (await self._stored(connection, site, name)).version for name in await store.names(connection, site)
        }

    async def _stored(self, connection: AsyncConnection, site: SiteId, name: str) -> StoredFile:
        found = await store.newest(connection, site, name)
        assert found is not None
        return found


def _file(version: int, body: bytes) -> StoredFile:
    return StoredFile(version, sha256_of(body).hex(), body)


def _require_same(present: PriceList, made_from: int) -> None:
    if present.version != made_from:
        raise Conflict("prices_changed", "somebody has changed these prices meanwhile: look at them and do it again")


def _waiting(present: PriceList) -> LaterPrices:
    if present.later is None:
        raise Conflict("nothing_waits", "no prices wait for their time")
    return present.later
