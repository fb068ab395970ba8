"""Tests for rendering while a reply is running."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from chat import Submission
from chat.errors import (
    ReplyRunning,
)
from pages.session import process
from tests.support.app_page import (
    OWNER,
    OpenPage,
    conversation,
    keys,
    runs_follow_immediately,
    send,
    texts,
)
from tests.support.llm_server import LLMServer, Script, text_of


def test_rendered_text_is_not_blanked_while_its_block_grows(
    page: AppTest, server: LLMServer, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    server.next(Script(tokens=9, gate=gate, gate_at=5))
    answer = process.chat_service().as_owner(OWNER).messages.send(None, Submission("Hello"))
    next(
        piece
        for piece in process.chat_service().as_owner(OWNER).messages.follow(answer.id)
        if "jumps4" in piece.text
    )
    shown: set[tuple[int, ...]] = set()
    blanked = []

    def watch(context: ScriptRunContext, message: ForwardMsg) -> None:
        place, element = tuple(message.metadata.delta_path), message.delta.new_element
        if "the0" in element.markdown.body:
            shown.add(place)
            gate.set()
        elif element.WhichOneof("type") == "empty" and place in shown:
            blanked.append(place)
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", watch)
    resumed = open_page(answer.conversation_id)
    assert texts(resumed) == ["Hello", text_of(9).strip()]
    assert shown
    assert blanked == []


@pytest.mark.parametrize(("is_immediate", "times"), [(False, 1), (True, 2)])
def test_rendered_messages_are_skipped_while_a_reply_is_followed(
    page: AppTest,
    server: LLMServer,
    monkeypatch: pytest.MonkeyPatch,
    is_immediate: bool,
    times: int,
) -> None:
    """A run that immediately follows another renders all: the browser may not have the rest."""
    if is_immediate:
        runs_follow_immediately(monkeypatch)
    gate, rendered = threading.Event(), list[str]()
    server.next(Script(text="Blue."), Script(text="Red.", gate=gate))
    send(page, "Which colour?")

    def watch(context: ScriptRunContext, message: ForwardMsg) -> None:
        rendered.append(message.delta.new_element.markdown.body.strip())
        if "Thinking" in rendered[-1]:
            gate.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", watch)
    send(page, "And now?")
    assert texts(page) == ["Which colour?", "Blue.", "And now?", "Red."]
    # Rendered once after the reply ended; the new question also while it is followed.
    assert (rendered.count("Blue."), rendered.count("And now?")) == (times, 2)


def test_changed_messages_are_rendered_while_a_reply_is_followed(
    page: AppTest, server: LLMServer
) -> None:
    server.next(*(Script(text=text) for text in ("Blue.", "Red.", "Green.")))
    send(page, "Which colour?")
    send(page, "And now?")
    first = keys(page, "retry")[0]
    page.button(key=first).click().run()
    assert texts(page) == ["Which colour?", "Green."]
    page.button(key=keys(page, "version_prev")[-1]).click().run()
    assert texts(page) == ["Which colour?", "Blue.", "And now?", "Red."]
    send(page, "And then?")
    assert texts(page)[:4] == ["Which colour?", "Blue.", "And now?", "Red."]


def test_finished_transcript_does_not_prevent_rendering_a_reply(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    server.next(Script(text="Red.", gate=gate))
    words: Future[str] = Future()
    words.set_result("spoken")
    page.session_state["awaited"] = [words]

    def watch(context: ScriptRunContext, message: ForwardMsg) -> None:
        if "Thinking" in message.delta.new_element.markdown.body:
            gate.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", watch)
    send(page, "Which colour?")
    assert texts(page) == ["Which colour?", "Red."]


def test_sidebar_is_rendered_for_another_conversation_with_a_running_reply(
    page: AppTest, server: LLMServer, open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    server.next(Script(text="Blue."), Script(text="Red.", gate=gate))
    first = conversation(send(page, "Which colour?"))
    other = (
        process.chat_service()
        .as_owner(OWNER)
        .messages.send(None, Submission("And now?"))
        .conversation_id
    )
    page.run()  # so that it is listed
    named: list[str] = []

    def watch(context: ScriptRunContext, message: ForwardMsg) -> None:
        element = message.delta.new_element
        if element.WhichOneof("type") == "text_input" and not gate.is_set():
            named.append(element.text_input.id)
        if element.WhichOneof("type") == "progress":  # the last element of the sidebar
            gate.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", watch)
    page.button(key=f"open_{other}").click().run()
    assert any(f"rename_{other}" in each for each in named), first
    assert texts(page) == ["And now?", "Red."]


def test_context_cannot_be_cleared_while_a_reply_is_running(
    page: AppTest, server: LLMServer
) -> None:
    gate = threading.Event()
    server.next(Script(tokens=9, gate=gate, gate_at=3))
    answer = process.chat_service().as_owner(OWNER).messages.send(None, Submission("Hello"))
    with pytest.raises(ReplyRunning):
        process.chat_service().as_owner(OWNER).conversations.clear(answer.conversation_id)
    gate.set()
    assert "".join(
        piece.text for piece in process.chat_service().as_owner(OWNER).messages.follow(answer.id)
    )
    process.chat_service().as_owner(OWNER).conversations.clear(answer.conversation_id)
