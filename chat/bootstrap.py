"""Wire settings, store, providers and services. The only module that does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chat.billing.call_costs import Billing
from chat.billing.kill_switch import KillSwitch
from chat.billing.prices import Prices, read_prices
from chat.config.settings import (
    DEFAULT_DATABASE_URL,
    parse_settings,
    read_settings,
    setting_names,
)
from chat.config.sources import load_config, names_in_files, unreadable_files
from chat.config.spelling import misspelling_sentence, misspelt_names
from chat.errors import ParleyError, SettingsError
from chat.observability.failure_log import FailureLog
from chat.providers import tokenizer
from chat.providers.base import Provider
from chat.replies.runtime import Runtime
from chat.replies.space import Space
from chat.service import ChatService
from chat.store import Store, probe

PURGE_INTERVAL = 600.0  # seconds
RECOVERY_INTERVAL = 2.0  # seconds between checks for abandoned replies …
MAX_RECOVERY_INTERVAL = 60.0  # … and at most, while the database fails
_VERBOSE_LOGGERS = ("httpx2", "httpcore2", "openai")  # they log URLs and headers, which hold keys
log = logging.getLogger("chat.bootstrap")


def _now() -> datetime:
    return datetime.now(UTC)


def open_chat(
    config: Mapping[str, Any] | None = None,
    *,
    providers: Sequence[Provider] | None = None,
    clock: Callable[[], datetime] = _now,
) -> ChatService:
    """Return a chat service: database migrated, abandoned replies marked, discovery started.

    `config` holds names and values as in `.env.example`; by default they are read from the
    environment, `.env` and `.streamlit/secrets.toml`. `providers` replace the configured ones,
    `clock` is the time that limits use. Does not wait for the network. Raises `SettingsError`.
    Call `close()` when done.
    """
    from chat.providers.catalogue import Catalogue, build_catalogue
    from chat.providers.transcriber import build_transcriber

    config = load_config() if config is None else config
    if problems := _problems(config, with_catalogue=providers is None):
        # Everything at once, so that nothing is left for the next start.
        raise SettingsError(problems + _database_problems(config) + _warnings(config))
    settings = read_settings(config)
    logging.getLogger("chat").setLevel(settings.log_level)
    for warning in _warnings(config):
        log.warning("%s", warning)
    for name in _VERBOSE_LOGGERS:
        if not logging.getLogger(name).level:
            logging.getLogger(name).setLevel(logging.WARNING)
    store = Store(settings.database_url, clock=clock, connections=settings.database_connections)
    prices = Prices(read_prices(settings.model_prices), settings.values)
    billing = Billing(settings, store, prices, KillSwitch(store.switches))
    catalogue = build_catalogue(settings) if providers is None else Catalogue(providers)
    runtime = Runtime(settings, catalogue, billing, build_transcriber(settings))
    service = ChatService(runtime, Space(runtime, store))
    service.interrupt_abandoned()
    runtime.runner.submit(catalogue.discover())
    threading.Thread(target=runtime.tokenizer.load, name="parley-ranks", daemon=True).start()
    runtime.tasks.start(lambda: _purge_regularly(service))
    runtime.tasks.start(lambda: _recover_regularly(service))
    runtime.tasks.start(runtime.exports.remove_leftovers)
    runtime.tasks.start(runtime.backups.remove_leftovers)
    if billing.rules.limits_money:
        runtime.tasks.start(prices.load)  # takes half a second
    return service


def problems_of(config: Mapping[str, Any]) -> list[str]:
    """Return the problems of a configuration, including a database that cannot be opened."""
    problems = _problems(config, with_catalogue=True)
    return problems + _database_problems(config) + _warnings(config)


def _database_problems(config: Mapping[str, Any]) -> list[str]:
    if unreadable_files(config):  # an unreadable file may name another database
        return []
    url = str(config.get("DATABASE_URL") or "").strip() or DEFAULT_DATABASE_URL
    return probe.find_problems(url)


def _warnings(config: Mapping[str, Any]) -> list[str]:
    """Return what is probably a mistake but prevents no start.

    The environment has names of other programs, of which one may resemble a setting.
    """
    own = names_in_files(config)
    misspelt = misspelt_names(config, _setting_names()).items()
    warnings = [misspelling_sentence(*each) for each in misspelt if each[0] not in own]
    port = str(config.get("PORT") or "")
    if port and port != str(config.get("STREAMLIT_SERVER_PORT") or ""):
        warnings.append("PORT is not read: set STREAMLIT_SERVER_PORT, or start with --server.port")
    if problem := tokenizer.cache_dir_problem(parse_settings(config)[0].tiktoken_cache_dir):
        warnings.append(problem)
    return warnings + _environment_problems(config)


def _setting_names() -> list[str]:
    from chat.providers.endpoints import endpoint_setting_names

    return [*setting_names(), *endpoint_setting_names()]


def _environment_problems(config: Mapping[str, Any]) -> list[str]:
    """Return the variables of the environment that keep Parley from reaching a provider."""
    from chat.providers.endpoints import endpoints
    from chat.providers.openai_compatible.environment import environment_problems

    try:
        return environment_problems(each.base_url for each in endpoints(config))
    except SettingsError:  # reported by `_problems`
        return []


def _problems(config: Mapping[str, Any], *, with_catalogue: bool) -> list[str]:
    """Run all checks of the configuration: one failure does not hide the others."""
    from chat.providers.endpoints import check_default_model, endpoints, transcription_endpoint
    from chat.providers.local_gguf import check_file

    settings, problems = parse_settings(config)
    own = names_in_files(config)
    misspelt = misspelt_names(config, _setting_names()).items()
    problems += [misspelling_sentence(*each) for each in misspelt if each[0] in own]
    checks: list[Callable[[], object]] = [
        lambda: read_prices(settings.model_prices),
        lambda: transcription_endpoint(settings),
    ]
    if with_catalogue:
        checks += [
            lambda: endpoints(config),
            lambda: check_file(settings.local_model),
            lambda: check_default_model(settings),
        ]
    for check in checks:
        try:
            check()
        except SettingsError as error:
            problems += [each for each in error.problems if each not in problems]
    return problems


def _recover_regularly(service: ChatService) -> None:
    """Check for replies of dead processes, which takes several checks over time."""
    failures, interval = FailureLog(log, "recovery of abandoned replies"), RECOVERY_INTERVAL
    while not service.runtime.tasks.wait_for_close(interval):
        try:
            service.interrupt_abandoned()
            failures.succeeded()
            interval = RECOVERY_INTERVAL
        except Exception as error:  # the database may come back
            failures.failed(error)
            interval = min(interval * 2, MAX_RECOVERY_INTERVAL)


def _purge_regularly(service: ChatService) -> None:
    failures = FailureLog(log, "purge of deleted conversations")
    while True:
        try:
            service.purge_expired()
            failures.succeeded()
        except ParleyError as error:
            failures.failed(error)
        if service.runtime.tasks.wait_for_close(PURGE_INTERVAL):
            return
