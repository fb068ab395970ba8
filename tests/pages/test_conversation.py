"""The pages through `app.py` without a browser: what is drawn, and what clicks do."""

from __future__ import annotations

import gc
import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
import streamlit as st
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.scriptrunner_utils.script_run_context import ScriptRunContext
from streamlit.testing.v1 import AppTest

from chat import Submission
from chat.errors import (
    NoCredit,
    NotFound,
    ReplyRunning,
    StoreFailed,
    TemporaryConversationExpired,
    TranscriptionUnavailable,
)
from chat.services.transfer import TransferService
from pages.session import process
from tests.support.llm_server import FAULTS, LLMServer, Script, text_of

OWNER = "visitor:" + hashlib.sha256(b"ada").hexdigest()[:40]
APP = str(Path(__file__).parents[2] / "app.py")
Open = Callable[..., AppTest]


@pytest.fixture(scope="module")
def llm() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


@pytest.fixture
def server(llm: LLMServer) -> LLMServer:
    llm.requests.clear()
    llm._next.clear()
    return llm


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str) -> Iterator[None]:
    """An empty folder with an empty database: nothing is configured, so Guide answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    monkeypatch.setenv("MAX_RETRIES", "0")
    monkeypatch.setenv("MAX_USER_MESSAGE_TOKENS", "300")
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def open_page() -> Iterator[Open]:
    """Opens the app in one more tab of the same visitor, or of another."""

    def open_page(conversation: str | None = None, visitor: str = "ada") -> AppTest:
        page = AppTest.from_file(APP, default_timeout=20)
        page.session_state["visitor"] = visitor
        page.context = {"timezone": "UTC"}  # as of a browser: told anew with each request
        if conversation is not None:
            page.query_params["c"] = conversation
        return page.run()

    yield open_page
    process.chat_service().close()


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, server: LLMServer, open_page: Open) -> AppTest:
    """An empty conversation, answered by the server."""
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_MODELS", "echo")
    return open_page()


def send(page: AppTest, text: str) -> AppTest:
    return page.chat_input(key="composer").set_value(text).run()


def conversation(page: AppTest) -> str:
    found = page.query_params["c"]
    return found if isinstance(found, str) else str(found[0])


def texts(page: AppTest) -> list[str]:
    """The first piece of text of each message."""
    assert not page.exception
    said = [[text.value for text in each.markdown] for each in page.chat_message]
    return [unescaped(texts[0]) if texts else "" for texts in said]


def unescaped(markdown: str) -> str:
    return re.sub(r"\\([^\w\s])", r"\1", markdown)


def keys(page: AppTest, kind: str) -> list[str]:
    """Keys of the buttons `<kind>_<id>`, in the order of the page."""
    found = (button.key or "" for button in page.button)
    return [key for key in found if re.fullmatch(rf"{kind}_[0-9a-f]+", key)]


def said(page: AppTest) -> str:
    """Everything written on the page outside of buttons."""
    kinds = (page.markdown, page.caption, page.warning, page.error, page.text)
    return "\n".join(unescaped(str(each.value)) for kind in kinds for each in kind)


def test_the_first_page_says_what_this_is_and_who_answers(open_page: Open) -> None:
    page = open_page()
    assert not page.exception
    assert "Guide" in said(page)
    assert len(keys(page, "starter")) >= 3
    assert page.button(key="retry").disabled
    assert list(page.chat_message) == []
    assert "c" not in page.query_params


def test_guide_answers_out_of_the_box(open_page: Open) -> None:
    page = open_page()
    page.button(key="starter_0").click().run()
    assert not page.exception
    assert [each.name for each in page.chat_message] == ["user", "assistant"]
    assert len(texts(page)[1]) > 20
    assert page.query_params["c"]


def test_a_message_is_answered_and_looks_the_same_after_a_refresh(
    page: AppTest, server: LLMServer, open_page: Open
) -> None:
    server.next(Script(text="Four."), Script(text="Eight."))
    send(page, "Two and two?")
    assert texts(page) == ["Two and two?", "Four."]
    send(page, "Twice that?")
    refreshed = open_page(conversation(page))
    assert texts(refreshed) == texts(page) == ["Two and two?", "Four.", "Twice that?", "Eight."]
    assert unescaped(refreshed.button(key=f"open_{conversation(page)}").label) == "Two and two?"


def test_editing_adds_a_version_and_arrows_bring_the_old_one_back(
    page: AppTest, server: LLMServer
) -> None:
    server.next(Script(text="Red."), Script(text="Because."), Script(text="Blue."))
    send(page, "Colour?")
    send(page, "Why?")
    edit = keys(page, "edit")[0]
    page.button(key=edit).click().run()
    page.text_area(key=edit.replace("edit_", "edit_text_")).set_value("Other colour?")
    page.button(key=edit.replace("edit_", "edit_send_")).click().run()
    assert texts(page) == ["Other colour?", "Blue."]
    page.button(key=keys(page, "version_prev")[0]).click().run()
    assert texts(page) == ["Colour?", "Red.", "Why?", "Because."]
    page.button(key=keys(page, "version_next")[0]).click().run()
    assert texts(page) == ["Other colour?", "Blue."]


def test_cancelling_an_edit_changes_nothing(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="Red."))
    send(page, "Colour?")
    edit = keys(page, "edit")[0]
    page.button(key=edit).click().run()
    page.text_area(key=edit.replace("edit_", "edit_text_")).set_value("Other colour?")
    page.button(key=edit.replace("edit_", "edit_cancel_")).click().run()
    assert texts(page) == ["Colour?", "Red."]
    assert len(server.requests) == 1


def test_a_retry_is_a_version_and_a_failed_one_leaves_the_old_in_view(
    page: AppTest, server: LLMServer
) -> None:
    server.next(Script(text="First."), Script(text="Second."), FAULTS["quota"])
    send(page, "Say something")
    page.button(key="retry").click().run()
    assert texts(page)[1] == "Second."
    page.button(key=keys(page, "retry")[0]).click().run()
    assert texts(page)[1] == "Second."
    assert NoCredit("OpenAI").sentence in said(page)


def test_a_failure_shows_its_sentence_and_the_next_message_is_answered(
    page: AppTest, server: LLMServer
) -> None:
    server.next(FAULTS["402"], Script(text="Three."))
    send(page, "One")
    assert NoCredit("OpenAI").sentence in said(page)
    send(page, "Two")
    assert texts(page)[-1] == "Three."


def test_settings_are_stored_with_the_conversation_and_sent(
    page: AppTest, server: LLMServer, open_page: Open
) -> None:
    send(page, "Hello")
    page.slider(key="temperature").set_value(0.3).run()
    page.text_area(key="system_prompt").set_value("Be brief.").run()
    page.number_input(key="reply_length").set_value(99).run()
    elsewhere = open_page()
    assert elsewhere.text_area(key="system_prompt").value == ""
    again = open_page(conversation(page))
    assert again.slider(key="temperature").value == pytest.approx(0.3)
    send(again, "Again")
    body = server.requests[-1].body
    assert body["temperature"] == pytest.approx(0.3)
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert 99 in (body.get("max_tokens"), body.get("max_completion_tokens"))


def test_a_message_that_is_too_long_comes_back_with_both_numbers(
    page: AppTest, server: LLMServer
) -> None:
    text = "word " * 600
    send(page, text)
    assert not page.exception
    assert page.chat_input(key="composer").proto.value == text
    assert "300" in said(page)
    assert server.requests == [] and "c" not in page.query_params


def test_an_unknown_conversation_is_said_and_a_new_one_offered(open_page: Open) -> None:
    page = open_page("no-such-conversation")
    assert not page.exception
    assert NotFound().sentence in said(page)
    assert "c" not in page.query_params
    assert keys(page, "starter")


def test_a_temporary_conversation_of_another_process_is_said_to_be_gone(page: AppTest) -> None:
    page.query_params["temporary"] = "1"
    page.query_params["c"] = "0" * 30
    page.run()
    assert not page.exception
    assert TemporaryConversationExpired.sentence in said(page)
    assert "c" not in page.query_params


def test_another_visitor_sees_nothing_of_a_conversation(page: AppTest, open_page: Open) -> None:
    send(page, "For my eyes only")
    stranger = open_page(conversation(page), visitor="eve")
    assert list(stranger.chat_message) == []
    assert NotFound().sentence in said(stranger)
    assert keys(stranger, "open") == []


def test_dictation_is_shown_disabled_with_its_reason(open_page: Open) -> None:
    page = open_page()
    assert page.button(key="mic").disabled
    assert TranscriptionUnavailable.sentence in said(page)


def test_a_file_is_sent_and_a_bad_one_comes_back_with_the_words(
    page: AppTest, server: LLMServer
) -> None:
    page.chat_input(key="composer").upload("notes.txt", b"swordfish").set_value("What?").run()
    assert texts(page)[0] == "What?"
    assert "swordfish" in server.requests[-1].body["messages"][-1]["content"]
    page.chat_input(key="composer").upload("empty.txt", b"").set_value("And this?").run()
    assert "“empty.txt” is empty" in said(page)
    assert page.chat_input(key="composer").proto.value == "And this?"
    assert len(server.requests) == 1
    page.button(key="remove_file_0").click().run()
    send(page, "Then so.")
    assert len(server.requests) == 2


def test_words_are_kept_back_though_the_box_has_forgotten_what_was_not_uploaded(
    page: AppTest, server: LLMServer
) -> None:
    page.session_state["box_failed"] = ["large.txt"]  # as it was drawn last
    send(page, "Sum it up")
    assert "“large.txt” was not uploaded" in said(page)
    assert page.chat_input(key="composer").proto.value == "Sum it up"
    assert server.requests == []
    send(page, "Then without it.")
    assert len(server.requests) == 1


@pytest.mark.parametrize("button", ["new_chat", "new_temporary"])
def test_what_is_sent_before_the_browser_has_the_new_address_is_not_put_into_the_old_conversation(
    page: AppTest, server: LLMServer, button: str
) -> None:
    send(page, "Hello")
    old = conversation(page)
    page.button(key=button).click().run()
    page.query_params.pop("temporary", None)
    page.query_params["c"] = old  # as the browser still has it
    send(page, "Something else")
    assert conversation(page) != old
    assert ("temporary" in page.query_params) == (button == "new_temporary")
    sent = [each["content"] for each in server.requests[-1].body["messages"]]
    assert sent == ["Something else"]
    page.run()
    page.query_params.clear()
    page.query_params["c"] = old  # the browser had the new one, so this is meant
    page.run()
    assert texts(page)[0] == "Hello"


def test_two_messages_sent_at_once_make_one_conversation(page: AppTest, server: LLMServer) -> None:
    send(page, "First")
    page.query_params.clear()
    send(page, "Second")
    assert texts(page)[::2] == ["First", "Second"]


def test_a_countdown_that_is_nearly_over_does_not_draw_the_page_again_and_again() -> None:
    def script() -> None:
        from datetime import UTC, datetime, timedelta

        import streamlit as st

        from pages.conversation import message_status

        st.session_state["runs"] = st.session_state.get("runs", 0) + 1
        message_status._count_down(datetime.now(UTC) + timedelta(seconds=0.4))

    page = AppTest.from_function(script).run()
    assert page.session_state["runs"] == 1
    assert "Retry in 1 s" in page.caption[0].value


def test_failed_export_shows_its_error(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    send(page, "Hello")
    page.switch_page("pages/screens/history.py").run()

    def fail(*_: object) -> int:
        raise StoreFailed

    monkeypatch.setattr(TransferService, "export_all", fail)
    page.button(key="export_all").click().run()
    page.run()
    assert [str(each.value) for each in page.error] == [StoreFailed.sentence]
    assert not page.get("link_button")


def test_deleting_for_good_leaves_nothing_to_undo(page: AppTest) -> None:
    send(page, "Hello")
    address = conversation(page)
    page.button(key="delete_conversation").click().run()
    page.button(key="purge").click().run()
    assert "Deleted for good" in said(page)
    with pytest.raises(KeyError):
        page.button(key="undo")
    owner = OWNER
    with pytest.raises(NotFound):
        process.chat_service().as_owner(owner).conversations.undelete(address)


def strings_in_memory(token: str) -> list[str]:
    """Return every string with `token` that an object of the garbage collector refers to."""

    def strings(value: object) -> Iterator[str]:
        if type(value) is str and token in value:
            yield value
        elif type(value) in (tuple, dict) and not gc.is_tracked(value):
            for each in gc.get_referents(value):
                yield from strings(each)

    gc.collect()
    referents = (each for tracked in gc.get_objects() for each in gc.get_referents(tracked))
    return [found for each in referents for found in strings(each)]


def test_purge_drops_the_sanitized_text_of_a_conversation(page: AppTest, server: LLMServer) -> None:
    token = secrets.token_hex(8)
    server.next(Script(text=f"{token} costs $5"))
    send(page, "How much is it?")
    page.run()
    sanitized = f"{token} costs \\$5"
    assert sanitized in strings_in_memory(token)
    page.button(key="delete_conversation").click().run()
    page.button(key="purge").click().run()
    assert set(strings_in_memory(token)) == {token}


def test_deletion_drops_a_prepared_export(page: AppTest) -> None:
    send(page, "Hello")
    page.button(key="export").click().run()
    assert page.session_state["export_made"]
    page.button(key="delete_conversation").click().run()
    assert "export_made" not in page.session_state


def test_purge_on_the_history_page_drops_a_prepared_zip(page: AppTest) -> None:
    send(page, "Hello")
    page.switch_page("pages/screens/history.py").run()
    page.button(key="export_all").click().run()
    service = process.chat_service().as_owner(OWNER)
    exported = service.transfer.export_job()
    assert exported is not None and exported.wait(10) and exported.path is not None
    file = exported.path
    page.run()
    assert page.get("link_button")
    page.switch_page("pages/screens/conversation.py").run()
    page.button(key="delete_conversation").click().run()
    page.switch_page("pages/screens/history.py").run()
    page.button(key=keys(page, "purge")[0]).click().run()
    assert "Deleted for good" in said(page)
    assert not file.exists() and not page.get("link_button")


def test_deleting_a_message_can_be_undone(page: AppTest, server: LLMServer) -> None:
    server.next(Script(text="A secret."))
    send(page, "Tell me")
    page.button(key=keys(page, "delete")[-1]).click().run()
    assert texts(page) == ["Tell me"]
    page.button(key="undo").click().run()
    assert texts(page) == ["Tell me", "A secret."]


def test_deleting_a_conversation_can_be_undone(page: AppTest) -> None:
    send(page, "Precious")
    precious = conversation(page)
    page.button(key="delete_conversation").click().run()
    assert list(page.chat_message) == [] and keys(page, "open") == []
    page.button(key="undo").click().run()
    assert texts(page)[0] == "Precious"
    assert conversation(page) == precious


def test_clearing_the_context_can_be_taken_back(page: AppTest, server: LLMServer) -> None:
    send(page, "I am Ada")
    page.button(key="clear").click().run()
    assert texts(page)[0] == "I am Ada"
    send(page, "Who am I?")
    assert [each["content"] for each in server.requests[-1].body["messages"]] == ["Who am I?"]
    page.button(key=keys(page, "unclear")[0]).click().run()
    send(page, "And now?")
    assert server.requests[-1].body["messages"][0]["content"] == "I am Ada"


def test_a_wrong_configuration_names_every_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_REPLY_TOKENS", "many")
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    page = AppTest.from_file(APP, default_timeout=20).run()
    assert not page.exception
    assert "MAX_REPLY_TOKENS" in said(page) and "LOG_LEVEL" in said(page)
    assert list(page.chat_input) == []


def test_text_that_is_shown_is_never_blanked_while_its_block_goes_on(
    page: AppTest, server: LLMServer, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    server.next(Script(tokens=9, gate=held, gate_at=5))
    owner = OWNER
    answer = process.chat_service().as_owner(owner).messages.send(None, Submission("Hello"))
    next(
        piece
        for piece in process.chat_service().as_owner(owner).messages.follow(answer.id)
        if "jumps4" in piece.text
    )
    shown: set[tuple[int, ...]] = set()
    blanked = []

    def notice(context: ScriptRunContext, message: ForwardMsg) -> None:
        place, element = tuple(message.metadata.delta_path), message.delta.new_element
        if "the0" in element.markdown.body:
            shown.add(place)
            held.set()
        elif element.WhichOneof("type") == "empty" and place in shown:
            blanked.append(place)
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", notice)
    resumed = open_page(answer.conversation_id)
    assert texts(resumed) == ["Hello", text_of(9).strip()]
    assert shown
    assert blanked == []


@pytest.mark.parametrize(("is_in_haste", "times"), [(False, 1), (True, 2)])
def test_what_stands_there_is_not_drawn_again_while_a_reply_is_followed(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch, is_in_haste: bool, times: int
) -> None:
    """Unless the browser may not have it, because this run follows the one before at once."""
    if is_in_haste:
        hurry(monkeypatch)
    held, drawn = threading.Event(), list[str]()
    server.next(Script(text="Blue."), Script(text="Red.", gate=held))
    send(page, "Which colour?")

    def notice(context: ScriptRunContext, message: ForwardMsg) -> None:
        drawn.append(message.delta.new_element.markdown.body.strip())
        if "Thinking" in drawn[-1]:
            held.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", notice)
    send(page, "And now?")
    assert texts(page) == ["Which colour?", "Blue.", "And now?", "Red."]
    # Once when the reply is over; the new question also while it is followed.
    assert (drawn.count("Blue."), drawn.count("And now?")) == (times, 2)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run follows the one before at once, in its thread."""
    thread = threading.current_thread()
    monkeypatch.setattr("pages.session.tab_state.current_thread", lambda: thread)


def test_what_changed_above_a_running_reply_is_drawn_again(
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


def test_words_that_came_before_a_reply_is_followed_do_not_keep_it_from_being_drawn(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    server.next(Script(text="Red.", gate=held))
    words: Future[str] = Future()
    words.set_result("spoken")
    page.session_state["awaited"] = [words]

    def notice(context: ScriptRunContext, message: ForwardMsg) -> None:
        if "Thinking" in message.delta.new_element.markdown.body:
            held.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", notice)
    send(page, "Which colour?")
    assert texts(page) == ["Which colour?", "Red."]


def test_the_sidebar_is_drawn_again_for_another_conversation_whose_reply_runs(
    page: AppTest, server: LLMServer, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    server.next(Script(text="Blue."), Script(text="Red.", gate=held))
    first = conversation(send(page, "Which colour?"))
    owner = OWNER
    other = (
        process.chat_service()
        .as_owner(owner)
        .messages.send(None, Submission("And now?"))
        .conversation_id
    )
    page.run()  # it is listed
    named: list[str] = []

    def notice(context: ScriptRunContext, message: ForwardMsg) -> None:
        element = message.delta.new_element
        if element.WhichOneof("type") == "text_input" and not held.is_set():
            named.append(element.text_input.id)
        if element.WhichOneof("type") == "progress":  # the last of the sidebar
            held.set()
        enqueue(context, message)

    enqueue = ScriptRunContext.enqueue
    monkeypatch.setattr(ScriptRunContext, "enqueue", notice)
    page.button(key=f"open_{other}").click().run()
    assert any(f"rename_{other}" in each for each in named), first
    assert texts(page) == ["And now?", "Red."]


def test_the_context_is_not_cleared_below_a_running_reply(page: AppTest, server: LLMServer) -> None:
    held = threading.Event()
    server.next(Script(tokens=9, gate=held, gate_at=3))
    owner = OWNER
    answer = process.chat_service().as_owner(owner).messages.send(None, Submission("Hello"))
    with pytest.raises(ReplyRunning):
        process.chat_service().as_owner(owner).conversations.clear(answer.conversation_id)
    held.set()
    assert "".join(
        piece.text for piece in process.chat_service().as_owner(owner).messages.follow(answer.id)
    )
    process.chat_service().as_owner(owner).conversations.clear(answer.conversation_id)


def test_words_that_come_back_are_given_until_the_browser_has_them(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        hurry(patched)
        send(page, "word " * 600)
        for _ in range(2):
            box = page.chat_input[0].proto
            assert (box.set_value, box.value.strip()) == (True, ("word " * 600).strip())
            page.run()
    page.run()
    page.run()
    assert not page.chat_input[0].proto.set_value


def test_settings_of_another_conversation_are_given_until_the_browser_has_them(
    page: AppTest, server: LLMServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    send(page, "First")
    page.slider(key="temperature").set_value(0.3).run()
    page.button(key="new_chat").click().run()
    for _ in range(2):
        slider = page.slider(key="temperature").proto
        assert (slider.set_value, list(slider.value)) == (True, [1.0])
        page.run()
