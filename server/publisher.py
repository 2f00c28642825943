"""Publishes the lists of every site: when they change, when the broker is new or another program has published, and now
and then as manifests expire.
"""

import logging
import time

from protocol.ids import SiteId
from server.mqtt_link import MqttLink
from server.policy.service import Policy

log = logging.getLogger(__name__)


class Publisher:
    """Remembers of every site what it still has to publish; one that fails keeps no other waiting."""

    def __init__(self, policy: Policy, link: MqttLink, renew_every_s: float) -> None:
        self._policy, self._link, self._renew_every_s = policy, link, renew_every_s
        self._renew_at = 0.0
        self._shown_epoch = 0
        self._is_fresh = True
        """The broker may show anything or nothing, and nobody has taken note of that yet."""
        self._known = set[SiteId]()
        self._changed = set[SiteId]()
        self._whole = set[SiteId]()
        """Sites of which everything must be published, changed or not."""

    async def look(self) -> None:
        """Publish what is due."""
        self._policy.changed.clear()
        self._is_fresh |= self._link.connected.is_set() or self._link.is_overwritten
        self._link.connected.clear()
        self._link.is_overwritten = False
        if not self._link.is_up:
            return
        sites = {SiteId(site) for site in await self._policy.sites()}
        if self._is_fresh:
            self._link.publish_keys()
        await self._show_state()
        if self._is_fresh or time.monotonic() >= self._renew_at:
            self._whole |= sites
            self._is_fresh, self._renew_at = False, time.monotonic() + self._renew_every_s
        self._whole |= sites - self._known
        self._known = sites
        if await self._policy.took_changes():
            self._changed |= sites
        self._changed |= self._policy.sites_to_switch()
        for site in sorted(self._whole | self._changed):
            try:
                await self._show(site)
            except Exception:
                log.exception("publishing the lists of %s failed; it is tried again", site)

    async def _show_state(self) -> None:
        epoch = await self._policy.server_epoch()
        if not self._is_fresh and epoch == self._shown_epoch:
            return
        if self._shown_epoch and epoch != self._shown_epoch:
            self._link.renew_instance()
        self._link.publish_state(epoch)
        self._shown_epoch = epoch

    async def _show(self, site: SiteId) -> None:
        publication = await self._policy.publication(site, even_if_same=site in self._whole)
        if publication is not None:
            self._whole.add(site)  # made is not yet published
            self._link.publish_lists(publication)
        self._whole.discard(site)
        self._changed.discard(site)
