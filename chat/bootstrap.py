"""The one place that wires concrete things: settings, store, providers, the loop of replies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chat.background.backup_jobs import remove_old
from chat.billing.call_costs import Billing
from chat.billing.kill_switch import Switches
from chat.billing.prices import Prices, read_prices
from chat.config.settings import DEFAULT_DATABASE_URL, parse_settings, read_settings
from chat.config.sources import load_config, unreadable_files
from chat.errors import ParleyError, SettingsError
from chat.observability.metrics import Metrics
from chat.providers.base import Provider
from chat.providers.tokenizer import Tokenizer
from chat.replies.dispatcher import Dispatch
from chat.replies.worker_liveness import Worker
from chat.service import ChatService
from chat.store import Store, probe

IN_MEMORY = "sqlite://"
PURGE_EVERY = 3600.0  # seconds
WATCH_EVERY = 2.0  # seconds between looks for replies that nobody writes any more …
WATCH_AGAIN = 5.0  # … and while the database fails
_TALKATIVE = ("httpx2", "httpcore2", "openai")  # they log addresses and headers: what holds keys
log = logging.getLogger("chat.bootstrap")


def _now() -> datetime:
    return datetime.now(UTC)


def open_chat(
    config: Mapping[str, Any] | None = None,
    *,
    providers: Sequence[Provider] | None = None,
    clock: Callable[[], datetime] = _now,
) -> ChatService:
    """The chat service, ready: database migrated, abandoned replies marked, models looked for.

    `config` holds names and values as in `.env.example`; by default they are gathered from the
    environment, `.env` and `.streamlit/secrets.toml`. `providers` stand in for the configured
    ones, `clock` for the one that limits go by. Raises `SettingsError`. Waits for no network. Call
    `close()` when done.
    """
    return _open(load_config() if config is None else config, providers, clock)


def _open(
    config: Mapping[str, Any],
    providers: Sequence[Provider] | None,
    clock: Callable[[], datetime],
    shared: Billing | None = None,
    metrics: Metrics | None = None,
) -> ChatService:
    """With `shared` and `metrics` calls are written and counted as those of another service."""
    from chat.providers.catalogue import Catalogue, build_catalogue
    from chat.providers.transcriber import build_transcriber

    if problems := _problems(config, with_catalogue=providers is None):
        raise SettingsError(problems)
    settings = read_settings(config)
    logging.getLogger("chat").setLevel(settings.log_level)
    for name in _TALKATIVE:
        if not logging.getLogger(name).level:  # nobody asked for more
            logging.getLogger(name).setLevel(logging.WARNING)
    catalogue = build_catalogue(settings) if providers is None else Catalogue(providers)
    prices = Prices(read_prices(settings.model_prices), settings.values)
    store = Store(
        settings.database_url, clock=clock
    )  # raises SettingsError when it cannot be opened
    metrics = metrics or Metrics()
    store.on_failure(metrics.database_failed)
    counter = Tokenizer(settings.tiktoken_cache_dir)
    worker = Worker()
    billing = shared or Billing(settings, store, prices, Switches(store.switches))
    is_apart = shared is not None
    dispatch = Dispatch(
        settings, store, catalogue, counter, worker, billing, metrics=metrics, is_apart=is_apart
    )
    transcriber = build_transcriber(settings)
    service = ChatService(settings, store, catalogue, dispatch, worker, billing, transcriber)
    service.offer_temporary(
        lambda: _open(
            {**settings.values, "DATABASE_URL": IN_MEMORY}, providers, clock, billing, metrics
        )
    )
    service.interrupt_abandoned()
    dispatch.replies.submit(catalogue.discover())
    threading.Thread(target=counter.load, name="parley-ranks", daemon=True).start()
    service.begin_chore(_purging(service))
    if shared is None:
        service.begin_chore(_watching(service))
        service.begin_chore(remove_old)
    if billing.rules.limits_money and shared is None:
        service.begin_chore(prices.load)  # nobody shall wait for it
    return service


def _watching(service: ChatService) -> Callable[[], object]:
    def watch() -> None:
        """Look for replies of processes that died: only who looks again and again can tell."""
        pause = WATCH_EVERY
        while not service.wait_for_close(pause):
            try:
                service.interrupt_abandoned()
                pause = WATCH_EVERY
            except Exception as error:  # the database may come back
                log.warning("no look at abandoned replies: %s", type(error).__name__)
                pause = WATCH_AGAIN

    return watch


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with a configuration, and whether its database answers."""
    problems = _problems(config, with_catalogue=True)
    if unreadable_files(config):  # it may name another database
        return problems
    url = str(config.get("DATABASE_URL") or "").strip() or DEFAULT_DATABASE_URL
    return problems + probe.find_problems(url)


def _problems(config: Mapping[str, Any], *, with_catalogue: bool) -> list[str]:
    """What one part finds wrong does not hide what the others do."""
    from chat.providers.endpoints import endpoints, transcription_endpoint
    from chat.providers.local_gguf import check_file

    settings, problems = parse_settings(config)
    checks: list[Callable[[], object]] = [
        lambda: read_prices(settings.model_prices),
        lambda: transcription_endpoint(settings),
    ]
    if with_catalogue:
        checks += [lambda: endpoints(config), lambda: check_file(settings.local_model)]
    for check in checks:
        try:
            check()
        except SettingsError as error:
            problems += [each for each in error.problems if each not in problems]
    return problems


def _purging(service: ChatService) -> Callable[[], object]:
    def purge() -> None:
        while True:
            try:
                service.purge_expired()
            except ParleyError as error:  # it is tried again the next time
                log.warning("what was deleted long ago could not be removed: %s", error)
            if service.wait_for_close(PURGE_EVERY):
                return

    return purge
