"""User-supplied API keys: used for one provider's models only, and never stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from chat import ChatService, OwnKey, ReplySettings, Status, Submission, open_chat
from chat.errors import (
    AddressRefused,
    OwnKeyMissing,
    OwnKeyRefused,
    ProviderError,
    Refused,
    SettingsError,
    TooManyMessages,
    UnknownModel,
)
from chat.providers.openai_compatible.transport import shared_ssl_context
from chat.providers.user_keys import uses_own_key
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.tls_server import TlsServer

ME = "visitor:me"
MINE, SERVERS = "sk-mine-3f7a9c2e5b8d", "sk-servers-8d1e4b7a2c6f"
OWN_MODEL = ReplySettings(model="own-openai/gpt-4o")
HELLO = Submission("hello")


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer(models=("gpt-4o", "gpt-9-mine")) as server:
        yield server


@pytest.fixture(scope="module")
def tls(llm: LLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """A TLS server for the real host names of providers, behind a proxy in the environment."""
    port = urlsplit(llm.base_url).port
    assert port is not None
    names = ["api.openai.com", "api.groq.com"]
    with TlsServer(tmp_path_factory.mktemp("tls"), names, port) as server:
        yield server


@pytest.fixture
def service(
    llm: LLMServer, tls: TlsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChatService]:
    monkeypatch.setenv("HTTPS_PROXY", tls.proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-server")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: 7\nAuthorization: Bearer {SERVERS}")
    shared_ssl_context.cache_clear()
    llm.requests.clear()
    service = open_chat(_config(llm, tmp_path))
    yield service
    service.close()
    shared_ssl_context.cache_clear()


def _config(llm: LLMServer, folder: Path, **more: object) -> dict[str, object]:
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
        "FIND_LOCAL_SERVERS": "false",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": SERVERS,
        "OPENAI_MODELS": "gpt-4o",
        "MAX_RETRIES": "0",
        **more,
    }


def finish(service: ChatService, answer_id: str) -> str:
    return "".join(piece.text for piece in service.as_owner(ME).messages.follow(answer_id))


def keys_seen(llm: LLMServer) -> list[tuple[str, str]]:
    """Return (host, key) of every request."""
    return [
        (seen.headers["host"], seen.headers["authorization"].removeprefix("Bearer "))
        for seen in llm.requests
    ]


def test_user_key_is_sent_to_its_provider(service: ChatService, llm: LLMServer) -> None:
    own = service.models.own_key("openai", f" {MINE} ")
    llm.next(Script(text="yours"))
    answer = service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
    assert finish(service, answer.id) == "yours"
    assert keys_seen(llm) == [("api.openai.com", MINE)]
    assert {"openai-organization", "x-gateway"}.isdisjoint(llm.requests[0].headers)
    stored = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert stored.model == "own-openai/gpt-4o" and uses_own_key(stored.model)
    assert service.models.label(stored.model) == "gpt-4o · OpenAI, your key"


def test_retry_edit_and_continue_use_the_user_key(service: ChatService, llm: LLMServer) -> None:
    own = service.models.own_key("openai", MINE)
    llm.next(FAULTS["length"])
    answer = service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
    finish(service, answer.id)
    finish(service, service.as_owner(ME).messages.continue_(answer.id, own=own).id)
    finish(service, service.as_owner(ME).messages.retry(answer.id, own=own).id)
    question = service.as_owner(ME).conversations.open(answer.conversation_id).messages[0]
    finish(service, service.as_owner(ME).messages.edit(question.id, "hello again", own=own).id)
    assert keys_seen(llm) == [("api.openai.com", MINE)] * 4


def test_missing_user_key_sends_and_stores_nothing(service: ChatService, llm: LLMServer) -> None:
    own = service.models.own_key("openai", MINE)
    llm.next(FAULTS["length"])
    answer = service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
    finish(service, answer.id)
    before = service.as_owner(ME).conversations.open(answer.conversation_id)
    question = before.messages[0]
    for another in (None, service.models.own_key("groq", MINE)):
        for attempt in (
            lambda key: service.as_owner(ME).messages.send(answer.conversation_id, HELLO, own=key),
            lambda key: service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=key),
            lambda key: service.as_owner(ME).messages.retry(answer.id, own=key),
            lambda key: service.as_owner(ME).messages.continue_(answer.id, own=key),
            lambda key: service.as_owner(ME).messages.edit(question.id, "again", own=key),
        ):
            with pytest.raises(OwnKeyMissing) as caught:
                attempt(another)
            assert (
                "OpenAI" in caught.value.sentence and "no longer available" in caught.value.sentence
            )
    assert len(llm.requests) == 1
    assert service.as_owner(ME).conversations.open(answer.conversation_id) == before, (
        "the conversation is unchanged"
    )
    assert len(service.as_owner(ME).conversations.latest()) == 1


def test_server_model_never_uses_the_user_key(service: ChatService, llm: LLMServer) -> None:
    own = service.models.own_key("openai", MINE)
    settings = ReplySettings(model="openai/gpt-4o")
    finish(service, service.as_owner(ME).messages.send(None, HELLO, settings, own=own).id)
    finish(service, service.as_owner(ME).messages.send(None, HELLO, own=own).id)
    assert {key for _, key in keys_seen(llm)} == {SERVERS}
    assert {host for host, _ in keys_seen(llm)} == {urlsplit(llm.base_url).netloc}


def test_rejected_user_key_has_its_own_error(service: ChatService, llm: LLMServer) -> None:
    llm.next(FAULTS["401"])
    own = service.models.own_key("openai", MINE)
    answer = service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
    finish(service, answer.id)
    failed = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert failed.status is Status.FAILED and failed.failure
    assert failed.failure.code == OwnKeyRefused.code
    assert "[redacted]" in failed.failure.details and MINE not in failed.failure.details


def test_models_of_a_user_key_are_not_in_the_shared_list(
    service: ChatService, llm: LLMServer
) -> None:
    own = service.models.own_key("openai", MINE)
    assert "own-openai/gpt-4o" in [model.ref for model in service.models.own_models(own)]
    listed = service.models.discover_own_models(own).result(timeout=10)
    assert [model.ref for model in listed] == ["own-openai/gpt-4o", "own-openai/gpt-9-mine"]
    assert not any(uses_own_key(model.ref) for model in service.models.available())


def test_typed_model_uses_the_user_key_unless_the_server_lists_it(
    service: ChatService,
) -> None:
    own = service.models.own_key("groq", MINE)
    assert service.models.find("openai/gpt-4o", own).ref == "openai/gpt-4o"
    assert service.models.find("gpt-4o", own).ref == "openai/gpt-4o"
    assert service.models.find("meta/new-model", own).ref == "own-groq/meta/new-model"
    assert service.models.find("own-openai/gpt-4o").ref == "own-openai/gpt-4o"
    with pytest.raises(UnknownModel):
        service.models.find("own-unknown/gpt-4o")


def test_temporary_conversation_uses_the_user_key(service: ChatService, llm: LLMServer) -> None:
    own = service.models.own_key("openai", MINE)
    answer = service.as_owner(ME, is_temporary=True).messages.send(None, HELLO, OWN_MODEL, own=own)
    assert "".join(
        piece.text for piece in service.as_owner(ME, is_temporary=True).messages.follow(answer.id)
    )
    assert keys_seen(llm) == [("api.openai.com", MINE)]


@pytest.mark.parametrize("typed", ["", "  ", "two words", "“sk-x”", "sk-…", "sk\nx", "x" * 2000])
def test_malformed_user_key_is_refused(service: ChatService, typed: str) -> None:
    with pytest.raises(Refused):
        service.models.own_key("openai", typed)


def test_user_keys_can_be_disabled(llm: LLMServer, tmp_path: Path, service: ChatService) -> None:
    own = service.models.own_key("openai", MINE)
    strict = open_chat(_config(llm, tmp_path, ALLOW_OWN_KEYS="false"))
    try:
        assert strict.models.own_key_providers == {}
        with pytest.raises(Refused):
            strict.models.own_key("openai", MINE)
        with pytest.raises(UnknownModel):
            strict.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
        assert llm.requests == []
    finally:
        strict.close()


def test_custom_base_url_is_part_of_the_model_ref(llm: LLMServer, tmp_path: Path) -> None:
    service = open_chat(_config(llm, tmp_path, ALLOW_CUSTOM_ENDPOINTS="true"))
    try:
        own = service.models.own_key("other", MINE, "https://LLM.parley.invalid:8443/v1/")
        assert service.models.find("qwen", own).ref == "own-llm.parley.invalid:8443/qwen"
        other = service.models.own_key("other", MINE, "https://elsewhere.example.com/v1")
        with pytest.raises(OwnKeyMissing):
            service.as_owner(ME).messages.send(
                None, HELLO, ReplySettings(model=f"{own.name}/qwen"), own=other
            )
        with pytest.raises(AddressRefused):
            service.models.own_key("other", MINE, "https://127.0.0.1/v1")
        settings = ReplySettings(model=f"{own.name}/qwen")
        answer = service.as_owner(ME).messages.send(
            None, HELLO, settings, own=own
        )  # the host does not exist
        finish(service, answer.id)
        failed = (
            service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1].failure
        )
        assert failed and failed.code == AddressRefused.code
    finally:
        service.close()


def test_configured_provider_cannot_use_the_own_prefix(llm: LLMServer, tmp_path: Path) -> None:
    table = {"own-openai": {"base_url": llm.base_url}}
    with pytest.raises(SettingsError):
        open_chat(_config(llm, tmp_path, providers=table))
    service = open_chat(_config(llm, tmp_path, DEFAULT_MODEL="own-openai/gpt-4o"))
    try:
        with pytest.raises(ProviderError):
            service.as_owner(ME).messages.send(None, HELLO)
    finally:
        service.close()


def test_conversation_with_a_user_key_can_be_exported_without_it(
    service: ChatService, llm: LLMServer
) -> None:
    from chat import ExportFormat

    own = service.models.own_key("openai", MINE)
    answer = service.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
    finish(service, answer.id)
    script = (
        service.as_owner(ME)
        .transfer.export(answer.conversation_id, ExportFormat.SCRIPT)
        .data.decode()
    )
    assert "https://api.openai.com/v1" in script and "OPENAI_API_KEY" in script


def test_user_key_is_not_in_the_repr() -> None:
    own = OwnKey("own-openai", "OpenAI", MINE, "https://x.example.com/?key=1")
    assert MINE not in repr(own) and MINE not in str(own) and "key=1" not in repr(own)


def test_user_key_reply_counts_as_a_message_but_costs_nothing(
    llm: LLMServer, service: ChatService, tmp_path: Path
) -> None:
    config = _config(llm, tmp_path) | {
        "LIMIT_MESSAGES_PER_DAY": "2",
        "LIMIT_TOKENS_PER_DAY": "2",
        "LIMIT_DOLLARS_PER_DAY": "0.0001",
    }
    limited = open_chat(config)
    own = limited.models.own_key("openai", MINE)
    try:
        for _ in range(2):
            answer = limited.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
            list(limited.as_owner(ME).messages.follow(answer.id))
        with pytest.raises(TooManyMessages):
            limited.as_owner(ME).messages.send(None, HELLO, OWN_MODEL, own=own)
        used = limited.as_owner(ME).usage.report().total
        assert used.calls == 2 and used.prompt_tokens > 2
        assert used.cost_usd == 0
    finally:
        limited.close()
