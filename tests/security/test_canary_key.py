"""Canary keys: sent to providers that fail in every way, then searched in all outputs."""

from __future__ import annotations

import io
import json
import logging
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from chat import (
    ChatService,
    ExportFormat,
    File,
    OwnKey,
    ParleyError,
    ReplySettings,
    Submission,
    open_chat,
)
from chat.providers.endpoints import endpoints
from chat.providers.openai_compatible.transport import shared_ssl_context
from tests.support.llm_server import FAULTS, LLMServer, Script
from tests.support.tls_server import TlsServer

ME = "visitor:me"
SERVER = "canary-Vq7Lk2Xw9Zt4Rb6NpYd3"  # matches no redaction pattern
PASSWORD = "canaryPass-Hd8Js5Gm2Qc7"
OWN = "canary-own-Tf3Wz8Be5Uy1Kx6Mo9"
CANARIES = (SERVER, PASSWORD, OWN)
LEAK_LENGTH = 12  # a part of a key of this length is a leak


def _escaped(text: str) -> str:
    return "".join(f"\\u{ord(character):04x}" for character in text)


def _event(delta: dict[str, str]) -> str:
    reason = "stop" if delta.get("content") == "." else None
    choice = {"delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]})}\n\n"


def _echoes(key: str) -> list[Script]:
    """Return responses of servers that repeat the key they received."""
    headers = {"host": "x", "authorization": f"Bearer {key}", "x-api-key": key}
    middle = len(key) // 2
    texts = [
        json.dumps({"error": {"message": f"Incorrect API key provided: {key}."}}),
        json.dumps({"error": {"message": "bad headers", "headers": headers}}),
        json.dumps({"error": {"message": f"bad request: {headers!r}"}}),
        json.dumps({"detail": headers}),
        json.dumps({"error": {"message": "x", "code": key, "type": key, "param": key}}),
        json.dumps([{"error": {"message": key, "metadata": {"raw": key}}}]),
        '{"error": {"message": "no such key: ' + _escaped(key) + '"}}',
        "no such key: " + _escaped(key),
        "no such key: " + key.replace("-", "\\u002d"),
        "GET /v1/models?key=" + key + "&page=1",
        "GET /v1/models?k=" + "".join(f"%{ord(letter):02X}" for letter in key),
        "key " + quote(quote(key.replace("-", "/"))).replace("%252F", "-"),
        "key " + "".join(f"&#{ord(letter)};" for letter in key),
        "key " + "".join(f"&#x{ord(letter):x};" for letter in key),
        f"key {key[:middle]}\n  {key[middle:]} is unknown",
        f'"key {key[:middle]}" + "{key[middle:]} is unknown"',
        "<html><pre>Authorization: Bearer " + key + "</pre></html>",
        *(json.dumps({"error": {"message": "x" * size + key}}) for size in (1470, 1490, 1985)),
        *("y" * size + key for size in (280, 290, 1470, 1490)),
    ]
    echoed = (("x-echo", key), ("www-authenticate", f'Bearer key="{key}"'))
    refusals = [
        Script(status=status, body=text, headers=echoed)
        for status, text in zip((401, 400, 403, 404, 500, 422, 307) * 9, texts, strict=False)
    ]
    parts = ({"content": f"it is {key[:middle]}"}, {"content": f"{key[middle:]}, is it?"})
    thoughts = tuple({"reasoning_content": each["content"]} for each in parts)
    events = [
        *("".join(map(_event, (*each, {"content": "."}))) for each in (parts, thoughts)),
        f'data: {{"error": {{"message": "{key}", "code": 503}}}}\n\n',
        f"event: error\ndata: {key}\n\n",
        f"data: {{{key}\n\n",
        "data: {" + "z" * 285 + key + "\n\n",
        f"<html>{key}</html>",
        f'{{"object": "error", "message": "{key}"}}',
        f'{{"{key}": 1}}',
        json.dumps({"choices": [{"message": {"content": "ok"}, "finish_reason": key}]}),
        json.dumps({"choices": [{"message": {"content": ""}, "finish_reason": key}]}),
        json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": f"safety {key}"}]}),
    ]
    return refusals + [Script(raw=each) for each in events]


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def service(
    llm: LLMServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ChatService]:
    """A service with a server key, a password in a base URL, and TLS for users' own keys."""
    port = urlsplit(llm.base_url).port
    assert port is not None
    with TlsServer(tmp_path / "tls", ["api.openai.com"], port) as tls:
        monkeypatch.setenv("HTTPS_PROXY", tls.proxy)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.authority))
        shared_ssl_context.cache_clear()
        service = open_chat(_config(llm, tmp_path))
        yield service
        service.close()
    shared_ssl_context.cache_clear()


def _config(llm: LLMServer, folder: Path) -> dict[str, object]:
    behind = llm.base_url.replace("//", f"//parley:{PASSWORD}@")
    return {
        "DATABASE_URL": f"sqlite:///{folder / 'parley.db'}",
        "FIND_LOCAL_SERVERS": "false",
        "LOG_LEVEL": "DEBUG",
        "OPENAI_BASE_URL": llm.base_url,
        "OPENAI_API_KEY": SERVER,
        "providers": {"behind": {"base_url": behind, "models": ["one"]}},
        "MAX_RETRIES": "0",
        "IDLE_TIMEOUT": "0.1",
        "FIRST_TOKEN_TIMEOUT": "2",
    }


def leaks(where: str, text: str | bytes) -> list[str]:
    """Return a description of the first part of a canary in `text`, or an empty list."""
    content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    content = content.lower()
    return [
        f"{where}: {canary[start : start + LEAK_LENGTH]}"
        for canary in CANARIES
        for start in range(len(canary) - LEAK_LENGTH + 1)
        if canary[start : start + LEAK_LENGTH].lower().encode() in content
    ][:1]


def full_description(error: BaseException) -> str:
    details = getattr(error, "details", "")
    return "".join(traceback.format_exception(error)) + f"{error!r} {error} {details}"


def test_keys_appear_in_no_output_log_or_database(
    service: ChatService,
    llm: LLMServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    own = service.models.own_key("openai", OWN)
    found: list[str] = []
    chosen = [
        ("openai/x", SERVER, None),
        ("behind/one", PASSWORD, None),
        ("own-openai/x", OWN, own),
    ]
    for ref, key, with_key in chosen:
        scripts = [*_echoes(key), FAULTS["401"], FAULTS["404"], FAULTS["break"]]
        scripts = scripts[:: 3 if key == PASSWORD else 1]
        llm.next(*scripts)  # the order is irrelevant: all repeat the key
        settings = ReplySettings(model=ref, temperature=0.5)
        for answer in [
            service.as_owner(ME).messages.send(None, Submission("hello"), settings, own=with_key)
            for _ in scripts
        ]:
            for piece in service.as_owner(ME).messages.follow(answer.id):
                found += leaks("a piece", piece.text + piece.reasoning)
        found += leaks(
            "the view", repr(service.as_owner(ME).conversations.open(answer.conversation_id))
        )
        found += _in_exports(service, answer.conversation_id)
    assert any(OWN in seen.headers["authorization"] for seen in llm.requests), (
        "the user's key was not used"
    )
    assert any(SERVER in seen.headers["authorization"] for seen in llm.requests)
    found += _in_memory(service, own, llm, tmp_path)
    archive = io.BytesIO()
    service.as_owner(ME).transfer.export_all(archive)
    with zipfile.ZipFile(archive) as packed:
        for name in packed.namelist():
            found += leaks(name, packed.read(name))
    for file in tmp_path.glob("parley.db*"):
        found += leaks(file.name, file.read_bytes())
    assert len(caplog.records) > 50, "the log is incomplete"
    for record in caplog.records:
        found += leaks(f"the log of {record.name}", f"{record.__dict__} {record.getMessage()}")
    found += leaks("the log", caplog.text)
    assert found == []


def _in_exports(service: ChatService, conversation_id: str) -> list[str]:
    found = []
    for form in ExportFormat:
        export = service.as_owner(ME).transfer.export(conversation_id, form)
        found += leaks(form, export.name.encode() + export.data)
    _, secret = service.as_owner(ME).sharing.create(conversation_id)
    return found + leaks("a share", repr(service.as_owner("").sharing.open(secret)))


def _in_memory(service: ChatService, own: OwnKey, llm: LLMServer, folder: Path) -> list[str]:
    """Return leaks in the `repr` of objects, as a debugger or an error page shows them."""
    found = leaks("reprs", f"{service!r} {service.settings!r} {own!r} {own}")
    found += leaks("endpoints", repr(endpoints(_config(llm, folder))))
    found += leaks("models", repr([*service.models.available(), *service.models.own_models(own)]))
    for typed in (f" {OWN} {OWN}", f"“{OWN}”", f"{OWN}\nX: y"):
        with pytest.raises(ParleyError) as caught:
            service.models.own_key("openai", typed)
        found += leaks("a refusal", full_description(caught.value).replace(f"{typed!r}", ""))
    return found


WORDS = ("Zyzzyvaquestion", "Quixotryanswer", "Wherryfile", "Gossamertitle", "Umbrageprompt")


def test_texts_of_conversations_are_not_logged(
    llm: LLMServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    question, reply, file, title, prompt = WORDS
    service = open_chat(_config(llm, tmp_path))
    settings = ReplySettings(model="openai/x", system_prompt=f"{prompt} ada@{prompt}.example")
    files = (File(f"{file}.txt", f"{file} by ada@{file}.example".encode()),)
    broken = (Submission(question, (File(f"{file}.pdf", b"%PDF-1.7 " + file.encode()),)),)
    try:
        llm.next(Script(text=reply), *(FAULTS[name] for name in ("400", "break") if name in FAULTS))
        answer = service.as_owner(ME).messages.send(
            None, Submission(f"{question} bob@x.example", files), settings
        )
        assert reply in "".join(
            piece.text for piece in service.as_owner(ME).messages.follow(answer.id)
        )
        service.as_owner(ME).conversations.rename(
            answer.conversation_id, f"{title} eve@{title}.example"
        )
        assert service.as_owner(ME).conversations.search(question)
        again = service.as_owner(ME).messages.retry(answer.id)
        assert list(service.as_owner(ME).messages.follow(again.id))
        for each in broken:
            with pytest.raises(ParleyError):
                service.as_owner(ME).messages.send(answer.conversation_id, each)
        for form in ExportFormat:
            service.as_owner(ME).transfer.export(answer.conversation_id, form)
    finally:
        service.close()
    logged = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert len(caplog.records) > 1, "the log is incomplete"
    for word in (*WORDS, *map(str.lower, WORDS), "@"):
        lines = [line for line in logged.splitlines() if word in line]
        assert lines == [], word
