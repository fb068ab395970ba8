"""What was used, and what whoever runs Parley can do about it: the kill switch and the banner.

What only admins may answers everybody else as if it did not exist.
"""

from __future__ import annotations

from collections.abc import Callable

from chat.background.backup_jobs import Backup, Backups
from chat.billing.call_costs import Billing
from chat.billing.kill_switch import ALL, GUIDE
from chat.config.settings import Settings
from chat.domain.ids import storable
from chat.domain.person import OWN_KEY_PREFIX, Person
from chat.domain.usage import UsageReport
from chat.errors import NotFound
from chat.replies.dispatcher import Dispatch
from chat.services.transfer import Carrying
from chat.store import Store

MOST_DAYS = 366


class Oversight(Carrying):
    def __init__(
        self,
        settings: Settings,
        store: Store,
        dispatch: Dispatch,
        billing: Billing,
        speech_ref: str = "",
    ) -> None:
        """`speech_ref` names the model that turns speech into text."""
        super().__init__(settings, store, dispatch)
        self._billing, self._speech_ref = billing, speech_ref
        self._backups = Backups(store.back_up, store.size)

    def usage(self, owner: str, days: int = 30) -> UsageReport:
        """What an owner used in the last `days` days, by day and model."""
        return self._report(owner, days)

    def usage_of_all(self, person: Person, days: int = 30) -> UsageReport:
        """What everyone used, by day, model and owner. For admins."""
        _check_admin(person)
        return self._report(None, days)

    def switch_off(self, person: Person, ref: str, is_off: bool = True) -> None:
        """Switch a model off for everyone, "*" for all but Guide, or on again. For admins.

        Replies that are being written by it are stopped. Raises `Refused` or `UnknownModel`.
        """
        _check_admin(person)
        self._billing.switches.set_off(self._meant(ref) if is_off else ref, is_off=is_off)

    def _meant(self, typed: str) -> str:
        """The full ref of what an admin typed. Raises `UnknownModel`."""
        typed = storable(typed).strip()
        if typed.casefold() == self._speech_ref.casefold():
            return self._speech_ref
        if not typed or typed == ALL or typed.startswith((OWN_KEY_PREFIX, GUIDE)):
            return typed
        return self._dispatch.find(typed).ref

    def switched_off(self) -> frozenset[str]:
        """The refs of the models that are switched off; "*" stands for all but Guide."""
        return self._billing.switches.off()

    def set_banner(self, person: Person, text: str) -> None:
        """What everyone reads on top of every screen; empty for nothing. For admins."""
        _check_admin(person)
        self._billing.switches.set_banner(text)

    def banner(self) -> str:
        return self._billing.switches.banner()

    def backup(self, person: Person) -> Backup | None:
        """The backup that is being made or waits to be downloaded. For admins."""
        _check_admin(person)
        return self._backups.last()

    def backup_content(self, person: Person) -> bytes:
        """What to download. Raises `NotFound` when it is there no more. For admins."""
        _check_admin(person)
        return self._backups.content()

    def _new_backup(self, person: Person) -> tuple[Backup, Callable[[], None]]:
        _check_admin(person)
        return self._backups.begin()

    def _report(self, owner: str | None, days: int) -> UsageReport:
        return self._billing.report(owner, max(1, min(days, MOST_DAYS)))


def _check_admin(person: Person) -> None:
    if not (person.owner and person.is_admin):
        raise NotFound
