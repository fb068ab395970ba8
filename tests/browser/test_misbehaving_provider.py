"""One conversation with a server that departs from the protocol in ten ways in turn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.support.chat_page import Chat
from tests.support.llm_server import LLMServer, Script
from tests.support.provider_replies import DONE, STOP, TEXT, WHOLE, event, raw

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NO_STREAM = {"error": {"message": "Streaming is not supported for this model", "param": "stream"}}
DOCUMENT = '{"choices": [{"message": {"content": "Alpha beta gamma."}, "finish_reason": "stop"}]}'
PING = b"event: ping\ndata: 2026-01-02 03:04:05\n\n"
BALANCE = raw({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}})
REPEATED = {"delta": {}, "message": {"content": WHOLE}, "finish_reason": "stop"}


def unstreamed(body: dict[str, object]) -> Script:
    return Script(status=400, body=NO_STREAM) if body["stream"] else Script(raw=DOCUMENT)


# The reply's script, and a part of the note below it; "" for a complete reply.
WAYS: dict[str, tuple[Script, str]] = {
    "stop on every chunk": (
        Script(events=(*(event({"content": f"{w} "}, "stop") for w in WHOLE.split()), DONE)),
        "",
    ),
    "pings and null": (Script(events=(PING, *TEXT, b"data: null\n\n", STOP, DONE)), ""),
    "spaces before the end marker": (Script(events=(*TEXT, STOP, b"data:  [DONE]\n\n")), ""),
    "the whole message again": (Script(events=(*TEXT, raw({"choices": [REPEATED]}), DONE)), ""),
    "reasoning in another tag": (
        Script(events=(event({"content": "<thought>hm</thought>\n\n"}), *TEXT, STOP, DONE)),
        "",
    ),
    "no streaming": (Script(choose=unstreamed), ""),
    "a broken chunk": (
        Script(events=(TEXT[0], b'data: {"choices": [{"delta"\n\n', *TEXT[1:], STOP, DONE)),
        "could not be read",
    ),
    "an error in another form": (Script(events=(*TEXT, BALANCE, DONE)), "no credit"),
    "a broken end": (Script(events=(*TEXT, event({}, "network_error"), DONE)), "on its side"),
    "an unknown end": (Script(events=(*TEXT, event({}, "banana"), DONE)), "“banana”"),
}


def test_every_reply_of_a_misbehaving_server_is_shown_as_it_is(
    visit: Callable[..., Chat], server: LLMServer
) -> None:
    chat = visit()
    for number, (name, (script, note)) in enumerate(WAYS.items(), start=1):
        server.next(script, script)
        chat.send(f"Try {name}")
        expect(chat.questions, name).to_have_count(number)
        chat.wait_done()
        answer = chat.answers.last
        expect(answer, name).to_contain_text("Alpha beta gamma.")
        assert chat.last_answer_text().count("Alpha") == 1, name
        failure = chat.key(f"failure_{chat.answer_id}")
        if note:
            expect(failure, name).to_contain_text(note)
        else:
            expect(failure, name).to_have_count(0)
        is_cut = note not in {"", "could not be read"}
        expect(chat.button(f"continue_{chat.answer_id}"), name).to_have_count(int(is_cut))
        server.reset()
    chat.reload()
    expect(chat.answers.last).to_contain_text("Alpha beta gamma.")
    expect(chat.page.get_by_text("<thought>")).to_have_count(0)
    assert "Traceback" not in chat.page.content()
