"""Messages: send, stop, continue, edit, retry and delete, with a scripted provider."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from chat import (
    ChatService,
    ConversationView,
    Message,
    MessageTooLong,
    NotFound,
    ProviderError,
    ReplyRunning,
    ReplySettings,
    Role,
    Status,
    Submission,
)
from chat.domain.message import Usage
from chat.errors import EmptyMessage, EmptyReply, NothingToAnswer, OnlyReasoning, ProviderDown
from chat.providers.base import Delta
from chat.store.schema import MessageRow
from tests.support.held_reply import begin_held_reply, stop_after_two_words
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"


def finish(service: ChatService, answer: Message, owner: str = ME) -> str:
    """Follow a reply to its end and return its text."""
    return "".join(piece.text for piece in service.as_owner(owner).messages.follow(answer.id))


def ask(service: ChatService, text: str, conversation_id: str | None = None) -> Message:
    answer = service.as_owner(ME).messages.send(conversation_id, Submission(text))
    finish(service, answer)
    return answer


def texts(view: ConversationView) -> list[str]:
    return [message.text for message in view.messages]


def test_message_and_answer_are_stored(service: ChatService, provider: ScriptedProvider) -> None:
    provider.say("Four, I think.")
    answer = service.as_owner(ME).messages.send(None, Submission("  What is two plus two?  "))
    assert finish(service, answer) == "Four, I think."
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert texts(view) == ["What is two plus two?", "Four, I think."]
    assert view.conversation.title == "What is two plus two?"
    last = view.messages[-1]
    assert last.status is Status.COMPLETE and last.model == "scripted/one"
    assert last.usage and last.usage.is_reported and last.total_ms is not None
    assert view.running_id is None and not view.conversation.is_running


def test_question_is_stored_before_the_provider_answers(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.hold()
    answer = service.as_owner(ME).messages.send(None, Submission("Hello?"))
    assert provider.held.wait(10)
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert texts(view) == ["Hello?", ""]
    assert view.live == view.messages[-1] and view.running_id == answer.id
    provider.release()
    finish(service, answer)


def test_request_contains_earlier_turns(service: ChatService, provider: ScriptedProvider) -> None:
    provider.say("Hi Ada.", "Your name is Ada.")
    first = ask(service, "I am Ada.")
    ask(service, "Who am I?", first.conversation_id)
    sent = [(turn.role, turn.text) for turn in provider.requests[-1].turns]
    assert sent == [
        (Role.USER, "I am Ada."),
        (Role.ASSISTANT, "Hi Ada."),
        (Role.USER, "Who am I?"),
    ]


def test_stop_before_the_first_token_keeps_the_question(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.hold()
    answer = service.as_owner(ME).messages.send(None, Submission("Hello?"))
    assert provider.held.wait(10)
    service.as_owner(ME).messages.stop(answer.conversation_id)
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert texts(view) == ["Hello?", ""] and view.messages[-1].status is Status.STOPPED
    assert provider.closed == 1


def test_stop_stores_exactly_the_text_that_was_shown(
    service: ChatService, provider: ScriptedProvider
) -> None:
    answer = begin_held_reply(service, provider, "one two three four")
    service.as_owner(ME).messages.stop(answer.conversation_id)
    stopped = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert stopped.text == "one two " and stopped.status is Status.STOPPED
    assert finish(service, answer) == "one two "


def test_continue_extends_a_stopped_reply_in_place(
    service: ChatService, provider: ScriptedProvider
) -> None:
    answer = stop_after_two_words(service, provider, next_text="three four")
    again = service.as_owner(ME).messages.continue_(answer.id)
    assert again.id == answer.id and finish(service, again) == "one two three four"
    assert provider.requests[-1].partial_answer == "one two "
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert texts(view)[-1] == "one two three four"
    assert view.messages[-1].status is Status.COMPLETE
    assert view.versions[answer.id].count == 1


def test_complete_reply_cannot_be_continued(service: ChatService) -> None:
    answer = ask(service, "Hello")
    with pytest.raises(NothingToAnswer):
        service.as_owner(ME).messages.continue_(answer.id)


def test_late_followers_receive_the_complete_text(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three")
    provider.hold(at=2)
    answer = service.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    first, second = (
        service.as_owner(ME).messages.follow(answer.id),
        service.as_owner(ME).messages.follow(answer.id),
    )
    assert next(first).text == "one two " and next(second).text == "one two "
    provider.release()
    assert "".join(piece.text for piece in first) == "three"
    assert "".join(piece.text for piece in second) == "three"
    assert finish(service, answer) == "one two three"


def test_edit_keeps_the_old_version_and_its_replies(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Old answer.", "More.", "New answer.")
    first = ask(service, "Old question")
    ask(service, "And then?", first.conversation_id)
    question = service.as_owner(ME).conversations.open(first.conversation_id).messages[0]
    finish(service, service.as_owner(ME).messages.edit(question.id, "New question"))
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view) == ["New question", "New answer."]
    versions = view.versions[view.messages[0].id]
    assert (versions.position, versions.count, versions.previous_id) == (2, 2, question.id)
    service.as_owner(ME).messages.show_version(question.id)
    back = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(back) == ["Old question", "Old answer.", "And then?", "More."]


def test_each_retry_adds_a_version_that_can_be_shown(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("First.", "Second.", "Third.")
    first = ask(service, "Tell me.")
    second = service.as_owner(ME).messages.retry(first.id)
    finish(service, second)
    finish(service, service.as_owner(ME).messages.retry(second.id))
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    last = view.messages[-1]
    assert last.text == "Third." and view.versions[last.id].position == 3
    service.as_owner(ME).messages.show_version(view.versions[last.id].previous_id or "")
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id))[-1] == "Second."


def test_show_version_on_a_stale_page_shows_later_messages(
    service: ChatService,
) -> None:
    first = service.as_owner(ME).messages.send(None, Submission("Hello"))
    list(service.as_owner(ME).messages.follow(first.id))
    list(service.as_owner(ME).messages.follow(service.as_owner(ME).messages.retry(first.id).id))
    service.as_owner(ME).messages.show_version(first.id)
    last = service.as_owner(ME).messages.send(first.conversation_id, Submission("More"))
    list(service.as_owner(ME).messages.follow(last.id))
    service.as_owner(ME).messages.show_version(first.id)
    assert service.as_owner(ME).conversations.open(first.conversation_id).messages[-1].id == last.id


def test_show_version_restores_the_nested_version_shown_last(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("a1", "b1", "b2", "a2")
    first = ask(service, "a")
    second = ask(service, "b", first.conversation_id)
    finish(service, service.as_owner(ME).messages.retry(second.id))
    service.as_owner(ME).messages.show_version(second.id)
    finish(service, service.as_owner(ME).messages.retry(first.id))
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == ["a", "a2"]
    service.as_owner(ME).messages.show_version(first.id)
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == [
        "a",
        "a1",
        "b",
        "b1",
    ]


@pytest.mark.parametrize(
    "reply",
    [
        [ProviderDown("Scripted")],
        [Delta(text="Half an ans"), ProviderDown("Scripted")],
        [Delta(finish_reason="stop")],
    ],
    ids=["fails at once", "fails in the middle", "comes back empty"],
)
def test_failed_retry_leaves_the_old_version_in_view(
    service: ChatService, provider: ScriptedProvider, reply: list[Delta | Exception]
) -> None:
    provider.say("Good answer.", "Go on.")
    first = ask(service, "Question")
    ask(service, "More", first.conversation_id)
    provider.say(reply)
    finish(service, service.as_owner(ME).messages.retry(first.id))
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view) == ["Question", "Good answer.", "More", "Go on."]
    assert view.failed_retry and view.failed_retry.failure
    partial = view.failed_retry.text
    assert view.versions[first.id].count == (2 if partial else 1)


def test_successful_retry_removes_the_notice_of_a_failed_one(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Good answer.", [ProviderDown("Scripted")], "Better answer.")
    first = ask(service, "Question")
    finish(service, service.as_owner(ME).messages.retry(first.id))
    finish(service, service.as_owner(ME).messages.retry(first.id))
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view)[-1] == "Better answer." and view.failed_retry is None
    assert view.versions[view.messages[-1].id].count == 2


def test_failure_stores_the_text_before_it_and_the_reason(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta(text="Half "), Delta(text="way"), ProviderDown("Scripted")])
    answer = ask(service, "Question")
    failed = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert failed.text == "Half way" and failed.status is Status.FAILED
    assert failed.failure and failed.failure.code == "provider_down"
    assert "Scripted" in failed.failure.sentence and failed.is_cut


def test_unexpected_error_is_stored_without_its_text(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([RuntimeError("secret internals")])
    answer = ask(service, "Question")
    failed = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert failed.failure and "secret" not in str(failed.failure)


def test_conversation_has_at_most_one_running_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    done = ask(service, "First")
    question = service.as_owner(ME).conversations.open(done.conversation_id).messages[0]
    provider.hold()
    running = service.as_owner(ME).messages.send(done.conversation_id, Submission("Second"))
    assert provider.held.wait(10)
    for act in (
        lambda: service.as_owner(ME).messages.send(done.conversation_id, Submission("Third")),
        lambda: service.as_owner(ME).messages.retry(done.id),
        lambda: service.as_owner(ME).messages.edit(question.id, "Other"),
        lambda: service.as_owner(ME).messages.continue_(running.id),
        lambda: service.as_owner(ME).messages.delete(done.id),
    ):
        with pytest.raises(ReplyRunning):
            act()
    provider.release()
    assert finish(service, running)
    assert len(service.as_owner(ME).conversations.open(done.conversation_id).messages) == 4


def test_message_over_the_limit_is_refused_before_any_request(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service(MAX_USER_MESSAGE_TOKENS=10)
    with pytest.raises(MessageTooLong) as refusal:
        service.as_owner(ME).messages.send(None, Submission("word " * 100))
    assert "10" in refusal.value.sentence and not provider.requests
    assert service.as_owner(ME).conversations.latest() == []


def test_empty_message_is_refused(service: ChatService) -> None:
    with pytest.raises(EmptyMessage):
        service.as_owner(ME).messages.send(None, Submission("  \n "))


def test_clear_excludes_earlier_messages_and_can_be_undone(
    service: ChatService, provider: ScriptedProvider
) -> None:
    first = ask(service, "I am Ada.")
    service.as_owner(ME).conversations.clear(first.conversation_id)
    assert service.as_owner(ME).conversations.open(first.conversation_id).mark_at_end == first.id
    ask(service, "Who am I?", first.conversation_id)
    assert [turn.text for turn in provider.requests[-1].turns] == ["Who am I?"]
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert len(view.messages) == 4
    assert view.marks == {view.messages[2].id: first.id}
    service.as_owner(ME).conversations.unclear(first.conversation_id, first.id)
    ask(service, "And now?", first.conversation_id)
    assert len(provider.requests[-1].turns) == 5


def test_deleted_message_can_be_restored_and_leaves_the_others(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("a1", "b1")
    first = ask(service, "a")
    ask(service, "b", first.conversation_id)
    service.as_owner(ME).messages.delete(first.id)
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == ["a", "b", "b1"]
    service.as_owner(ME).messages.undelete(first.id)
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == [
        "a",
        "a1",
        "b",
        "b1",
    ]


def test_deleting_a_version_shows_another(service: ChatService, provider: ScriptedProvider) -> None:
    provider.say("First.", "Second.")
    first = ask(service, "Tell me.")
    second = service.as_owner(ME).messages.retry(first.id)
    finish(service, second)
    service.as_owner(ME).messages.delete(second.id)
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view) == ["Tell me.", "First."] and view.versions[first.id].count == 1
    service.as_owner(ME).messages.undelete(second.id)
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view) == ["Tell me.", "Second."] and view.versions[second.id].count == 2


def test_answer_to_a_deleted_question_cannot_be_retried(service: ChatService) -> None:
    answer = ask(service, "Question")
    question = service.as_owner(ME).conversations.open(answer.conversation_id).messages[0]
    service.as_owner(ME).messages.delete(question.id)
    with pytest.raises(NothingToAnswer):
        service.as_owner(ME).messages.retry(answer.id)


def test_deleted_conversation_is_not_found_until_restored(service: ChatService) -> None:
    answer = ask(service, "Hello")
    service.as_owner(ME).conversations.delete(answer.conversation_id)
    assert service.as_owner(ME).conversations.latest() == []
    with pytest.raises(NotFound):
        service.as_owner(ME).conversations.open(answer.conversation_id)
    service.as_owner(ME).conversations.undelete(answer.conversation_id)
    assert len(service.as_owner(ME).conversations.open(answer.conversation_id).messages) == 2


def test_deleting_a_conversation_stops_its_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.hold()
    answer = service.as_owner(ME).messages.send(None, Submission("Hello"))
    assert provider.held.wait(10)
    service.as_owner(ME).conversations.delete(answer.conversation_id)
    assert provider.closed == 1


def test_settings_are_stored_and_apply_to_the_next_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    chosen = ReplySettings("scripted/two", 0.3, "Be brief.", 50)
    answer = service.as_owner(ME).messages.send(None, Submission("Hello"), chosen)
    finish(service, answer)
    request = provider.requests[-1]
    assert (request.model, request.temperature) == ("two", 0.3)
    assert (request.system_prompt, request.max_tokens) == ("Be brief.", 50)
    service.as_owner(ME).conversations.change_settings(
        answer.conversation_id, temperature=1.5, model="scripted/one"
    )
    ask(service, "Again", answer.conversation_id)
    assert (provider.requests[-1].model, provider.requests[-1].temperature) == ("one", 1.5)
    stored = service.as_owner(ME).conversations.open(answer.conversation_id).conversation.settings
    assert stored == ReplySettings("scripted/one", 1.5, "Be brief.", 50)


def test_reasoning_is_stored_separately_and_not_sent_back(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(
        [
            Delta(reasoning="Hmm, "),
            Delta(reasoning="well."),
            Delta(text="Yes."),
            Delta(finish_reason="stop"),
        ]
    )
    answer = service.as_owner(ME).messages.send(None, Submission("Is it?"))
    pieces = list(service.as_owner(ME).messages.follow(answer.id))
    assert "".join(p.reasoning for p in pieces) == "Hmm, well."
    assert "".join(p.text for p in pieces) == "Yes."
    stored = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert stored.reasoning == "Hmm, well." and stored.reasoning_ms is not None
    ask(service, "Sure?", answer.conversation_id)
    assert all("Hmm" not in turn.text for turn in provider.requests[-1].turns)


def test_ids_of_another_owner_are_reported_as_unknown(service: ChatService) -> None:
    answer = ask(service, "Private")
    question = service.as_owner(ME).conversations.open(answer.conversation_id).messages[0]
    conversation = answer.conversation_id
    calls: list[Callable[[], object]] = [
        lambda: service.as_owner(OTHER).conversations.open(conversation),
        lambda: service.as_owner(OTHER).messages.send(conversation, Submission("Hi")),
        lambda: service.as_owner(OTHER).messages.edit(question.id, "Hi"),
        lambda: service.as_owner(OTHER).messages.retry(answer.id),
        lambda: service.as_owner(OTHER).messages.continue_(answer.id),
        lambda: service.as_owner(OTHER).messages.stop(conversation),
        lambda: next(service.as_owner(OTHER).messages.follow(answer.id)),
        lambda: service.as_owner(OTHER).messages.show_version(answer.id),
        lambda: service.as_owner(OTHER).conversations.clear(conversation),
        lambda: service.as_owner(OTHER).conversations.unclear(conversation, answer.id),
        lambda: service.as_owner(OTHER).conversations.change_settings(
            conversation, temperature=0.1
        ),
        lambda: service.as_owner(OTHER).conversations.rename(conversation, "Mine"),
        lambda: service.as_owner(OTHER).conversations.delete(conversation),
        lambda: service.as_owner(OTHER).conversations.undelete(conversation),
        lambda: service.as_owner(OTHER).messages.delete(answer.id),
        lambda: service.as_owner(OTHER).messages.undelete(answer.id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert (
        service.as_owner(OTHER).conversations.latest() == []
        and service.as_owner(OTHER).conversations.search("Private") == []
    )
    assert texts(service.as_owner(ME).conversations.open(conversation)) == [
        "Private",
        "Hello there.",
    ]


def test_search_finds_words_in_titles_and_messages(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("The capital is Lima.", "Something else.")
    peru = ask(service, "Tell me about Peru")
    ask(service, "Another thing 100%")
    assert {
        hit.conversation_id for hit in service.as_owner(ME).conversations.search("capital lim")
    } == {peru.conversation_id}
    assert service.as_owner(ME).conversations.search("   ") == []


def test_reply_of_a_dead_process_is_marked_interrupted(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    first = make_service()
    provider.say("one two three")
    provider.hold(at=2)
    answer = first.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    generation = first.runtime.runner.get(answer.id)
    assert generation is not None
    first.space.dispatcher.save(generation)
    first.runtime.runner.release(generation)  # as if the process had died
    second = make_service()
    view = second.as_owner(ME).conversations.open(answer.conversation_id)
    # The first worker is alive, so it must itself report that it does not run the reply.
    assert view.messages[-1].status is Status.STREAMING
    assert first.interrupt_abandoned() == 1
    view = second.as_owner(ME).conversations.open(answer.conversation_id)
    assert view.messages[-1].status is Status.INTERRUPTED and texts(view)[-1] == "one two "


def test_close_interrupts_and_stores_running_replies(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service()
    provider.say("one two three")
    provider.hold(at=1)
    answer = service.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    service.runtime.runner.interrupt_all()
    stopped = make_service().as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert stopped.status is Status.INTERRUPTED and stopped.text == "one "


def test_typed_model_id_is_sent_unchanged(service: ChatService, provider: ScriptedProvider) -> None:
    finish(
        service,
        service.as_owner(ME).messages.send(
            None, Submission("Hi"), ReplySettings(model="brand-new")
        ),
    )
    assert provider.requests[-1].model == "brand-new"


def test_retry_of_a_failed_answer_keeps_its_followers_reachable(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([ProviderDown("Scripted")], "Two.", "One.")
    failed = ask(service, "First")
    ask(service, "Second", failed.conversation_id)
    finish(service, service.as_owner(ME).messages.retry(failed.id))
    view = service.as_owner(ME).conversations.open(failed.conversation_id)
    assert texts(view) == ["First", "One."]
    service.as_owner(ME).messages.show_version(
        view.versions[view.messages[-1].id].previous_id or ""
    )
    assert texts(service.as_owner(ME).conversations.open(failed.conversation_id)) == [
        "First",
        "",
        "Second",
        "Two.",
    ]


BLANK: list[Delta | Exception] = [
    Delta(text=" \n"),
    Delta(text=" \n "),
    Delta(finish_reason="stop"),
]
THOUGHT: list[Delta | Exception] = [Delta(reasoning="Hmm."), *BLANK]


@pytest.mark.parametrize("reply", [BLANK, THOUGHT], ids=["blank", "thought"])
def test_retry_with_only_white_space_leaves_the_old_answer_in_view(
    service: ChatService, provider: ScriptedProvider, reply: list[Delta | Exception]
) -> None:
    provider.say("A real answer.", reply)
    answer = ask(service, "Tell me.")
    finish(service, service.as_owner(ME).messages.retry(answer.id))
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert texts(view) == ["Tell me.", "A real answer."]
    assert view.failed_retry is not None and view.failed_retry.failure is not None
    kind = EmptyReply if reply is BLANK else OnlyReasoning
    assert view.failed_retry.failure.code == kind.code


def test_retry_stopped_before_any_text_leaves_the_old_answer_in_view(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("A real answer.", [*BLANK, Delta(text="Late")])
    answer = ask(service, "Tell me.")
    provider.hold(at=2)
    again = service.as_owner(ME).messages.retry(answer.id)
    assert provider.held.wait(10)
    service.as_owner(ME).messages.stop(answer.conversation_id)
    assert texts(service.as_owner(ME).conversations.open(answer.conversation_id)) == [
        "Tell me.",
        "A real answer.",
    ]
    stopped = service.space.store.messages.get(ME, again.id)
    assert stopped.status is Status.STOPPED and not stopped.is_cut
    with pytest.raises(NothingToAnswer):
        service.as_owner(ME).messages.continue_(again.id)


def test_leading_white_space_is_kept(service: ChatService, provider: ScriptedProvider) -> None:
    provider.say(
        [Delta(text="  "), Delta(text="  "), Delta(text="code"), Delta(finish_reason="stop")]
    )
    answer = service.as_owner(ME).messages.send(None, Submission("Tell me."))
    assert finish(service, answer) == "    code"
    assert texts(service.as_owner(ME).conversations.open(answer.conversation_id))[-1] == "    code"


def test_retry_from_a_stale_tab_keeps_every_version_reachable(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", "Three.")
    first = ask(service, "Tell me.")
    finish(service, service.as_owner(ME).messages.retry(first.id))
    finish(
        service, service.as_owner(ME).messages.retry(first.id)
    )  # the tab still shows the first version
    seen = []
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    while True:
        seen.append(view.messages[-1].text)
        previous = view.versions[view.messages[-1].id].previous_id
        if previous is None:
            break
        service.as_owner(ME).messages.show_version(previous)
        view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert seen == ["Three.", "Two.", "One."]


def test_edit_from_a_stale_tab_keeps_the_answers_of_each_version(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("A1", "A2", "A3")
    first = ask(service, "Q1")
    question = service.as_owner(ME).conversations.open(first.conversation_id).messages[0]
    second = service.as_owner(ME).messages.edit(question.id, "Q2")
    finish(service, second)
    finish(service, service.as_owner(ME).messages.edit(question.id, "Q3"))
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    service.as_owner(ME).messages.show_version(view.versions[view.messages[0].id].previous_id or "")
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == ["Q2", "A2"]


def test_second_continue_is_refused_and_keeps_the_running_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three four", "three four")
    provider.hold(at=2)
    answer = service.as_owner(ME).messages.send(None, Submission("Count."))
    assert provider.held.wait(10)
    service.as_owner(ME).messages.stop(answer.conversation_id)
    provider.hold(at=0)
    service.as_owner(ME).messages.continue_(answer.id)
    assert provider.held.wait(10)
    with pytest.raises(ReplyRunning):
        service.as_owner(ME).messages.continue_(answer.id)
    assert service.as_owner(ME).conversations.open(answer.conversation_id).live is not None
    provider.release()
    assert finish(service, answer) == "one two three four"


def test_continue_adds_to_the_usage(service: ChatService, provider: ScriptedProvider) -> None:
    first: list[Delta | Exception] = [
        Delta(reasoning="Hmm."),
        Delta(text="one "),
        Delta(finish_reason="length", usage=Usage(10, 5, True)),
    ]
    second: list[Delta | Exception] = [
        Delta(text="two"),
        Delta(finish_reason="stop", usage=Usage(20, 3, True)),
    ]
    provider.say(first, second)
    answer = ask(service, "Count.")
    finish(service, service.as_owner(ME).messages.continue_(answer.id))
    whole = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert whole.text == "one two" and whole.reasoning_ms is not None
    assert whole.usage == Usage(30, 8, True)


def test_only_the_last_reply_can_be_continued(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta(text="one"), Delta(finish_reason="length")], "two")
    first = ask(service, "Count.")
    ask(service, "More", first.conversation_id)
    with pytest.raises(NothingToAnswer):
        service.as_owner(ME).messages.continue_(first.id)


def test_reply_with_reasoning_only_is_reported(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta(reasoning="Hmm."), Delta(finish_reason="length")])
    answer = ask(service, "Is it?")
    last = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert last.failure and last.failure.code == "only_thinking" and last.reasoning == "Hmm."


def test_failed_retry_out_of_view_does_not_change_the_view(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", [Delta(text="x"), ProviderDown("Scripted")])
    first = ask(service, "Tell me.")
    second = service.as_owner(ME).messages.retry(first.id)
    finish(service, second)
    provider.hold(at=1)
    third = service.as_owner(ME).messages.retry(second.id)
    assert provider.held.wait(10)
    service.as_owner(ME).messages.show_version(first.id)
    provider.release()
    finish(service, third)
    service.as_owner(ME).messages.show_version(second.id)
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id))[-1] == "Two."


def test_deleting_a_version_keeps_later_messages_and_other_versions(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", "More.")
    first = ask(service, "Tell me.")
    second = service.as_owner(ME).messages.retry(first.id)
    finish(service, second)
    ask(service, "And?", first.conversation_id)
    service.as_owner(ME).messages.delete(second.id)
    view = service.as_owner(ME).conversations.open(first.conversation_id)
    assert texts(view) == ["Tell me.", "Two.", "And?", "More."]
    assert view.messages[1].is_deleted and view.versions[second.id].count == 2
    ask(service, "So?", first.conversation_id)
    assert all("Two." not in turn.text for turn in provider.requests[-1].turns)
    service.as_owner(ME).messages.show_version(first.id)
    assert texts(service.as_owner(ME).conversations.open(first.conversation_id)) == [
        "Tell me.",
        "One.",
    ]


def test_conversation_of_an_unavailable_model_can_be_read(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    answer = ask(make_service(), "Hello")
    provider.name = "another"  # the provider of the stored model is no longer configured
    later = make_service()
    later.space.store.conversations.change_settings(
        ME, answer.conversation_id, ReplySettings(model="gone/model")
    )
    view = later.as_owner(ME).conversations.open(answer.conversation_id)
    assert len(view.messages) == 2
    with pytest.raises(ProviderError):
        later.as_owner(ME).messages.send(answer.conversation_id, Submission("Still there?"))
    assert len(provider.requests) == 1


def test_small_context_window_leaves_room_for_history(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Hi Ada.")
    first = ask(service, "I am Ada.")
    ask(service, "Who am I?", first.conversation_id)
    assert len(provider.requests[-1].turns) == 3
    assert provider.requests[-1].max_tokens == 4000  # half of the model's window of 8,000


def test_characters_refused_by_the_database_are_replaced(
    service: ChatService, provider: ScriptedProvider
) -> None:
    odd: list[Delta | Exception] = [
        Delta(text="a\0b \ud800c"),
        Delta(finish_reason="x" * 100, usage=Usage(2**40, 2**40, True)),
    ]
    provider.say(odd)
    answer = ask(service, "nul \0 here")
    view = service.as_owner(ME).conversations.open(answer.conversation_id)
    assert view.messages[-1].text == "a\ufffdb ?c" and view.messages[0].text == "nul \ufffd here"
    for wrong in ("", "\0", "x' OR 1=1", "é" * 30):
        with pytest.raises(NotFound):
            service.as_owner(ME).conversations.open(wrong)


def test_usage_is_estimated_if_a_part_reported_none(
    service: ChatService, provider: ScriptedProvider
) -> None:
    answer = stop_after_two_words(service, provider, next_text="three four")
    finish(service, service.as_owner(ME).messages.continue_(answer.id))
    whole = service.as_owner(ME).conversations.open(answer.conversation_id).messages[-1]
    assert whole.usage is None and whole.tokens >= 4


MINUTE = timedelta(minutes=1)
LONG = "word " * 400


@pytest.mark.parametrize(
    ("sent", "stored", "is_found"),
    [
        ("Hello", "Hello", True),
        ("  Hello\n", "Hello", True),
        ("a\x00b", "a\x00b", True),
        (LONG + "and more", LONG, True),  # shortened to fit
        ("Hello there", "Hello", False),
        ("hello", "Hello", False),
        ("Other", "Hello", False),
    ],
)
def test_conversation_of_a_sent_message_is_found_by_its_text(
    service: ChatService, sent: str, stored: str, is_found: bool
) -> None:
    answer = ask(service, stored)
    found = service.as_owner(ME).messages.conversation_of_sent(sent, MINUTE)
    assert found == (answer.conversation_id if is_found else None)
    assert service.as_owner(OTHER).messages.conversation_of_sent(sent, MINUTE) is None


def test_equal_message_of_an_earlier_time_is_not_found(service: ChatService) -> None:
    earlier = ask(service, "yes")
    with service.space.store.engine.begin() as connection:
        past = datetime.now(UTC) - MINUTE
        connection.execute(update(MessageRow).values(created_at=past))
    messages = service.as_owner(ME).messages
    assert messages.conversation_of_sent("yes", timedelta(seconds=20)) is None
    assert messages.conversation_of_sent("yes", 2 * MINUTE) == earlier.conversation_id
    later = ask(service, "yes", earlier.conversation_id)
    assert messages.conversation_of_sent("yes", timedelta(0)) == later.conversation_id
