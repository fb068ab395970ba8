"""What a person can do, against a real SQLite file and a scripted provider."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chat import (
    ChatService,
    Message,
    MessageTooLong,
    NotFound,
    ProviderError,
    ReplyRunning,
    ReplySettings,
    Role,
    Status,
    Submission,
    View,
)
from chat.domain.message import Usage
from chat.errors import EmptyMessage, EmptyReply, NothingToAnswer, OnlyReasoning, ProviderDown
from chat.providers.base import Delta
from tests.support.scripted_provider import ScriptedProvider

ME, OTHER = "visitor:me", "visitor:other"


def finish(service: ChatService, answer: Message, owner: str = ME) -> str:
    """Follow a reply to its end; the text that was seen."""
    return "".join(piece.text for piece in service.follow(owner, answer.id))


def ask(service: ChatService, text: str, conversation_id: str | None = None) -> Message:
    answer = service.send(ME, conversation_id, Submission(text))
    finish(service, answer)
    return answer


def texts(view: View) -> list[str]:
    return [message.text for message in view.messages]


def test_a_message_is_answered_and_both_are_kept(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Four, I think.")
    answer = service.send(ME, None, Submission("  What is two plus two?  "))
    assert finish(service, answer) == "Four, I think."
    view = service.open(ME, answer.conversation_id)
    assert texts(view) == ["What is two plus two?", "Four, I think."]
    assert view.conversation.title == "What is two plus two?"
    last = view.messages[-1]
    assert last.status is Status.COMPLETE and last.model == "scripted/one"
    assert last.usage and last.usage.is_reported and last.total_ms is not None
    assert view.running_id is None and not view.conversation.is_running


def test_the_question_is_stored_before_the_provider_says_anything(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.hold()
    answer = service.send(ME, None, Submission("Hello?"))
    assert provider.held.wait(10)
    view = service.open(ME, answer.conversation_id)
    assert texts(view) == ["Hello?", ""]
    assert view.live == view.messages[-1] and view.running_id == answer.id
    provider.let_go()
    finish(service, answer)


def test_earlier_turns_are_sent_along(service: ChatService, provider: ScriptedProvider) -> None:
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
    answer = service.send(ME, None, Submission("Hello?"))
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    view = service.open(ME, answer.conversation_id)
    assert texts(view) == ["Hello?", ""] and view.messages[-1].status is Status.STOPPED
    assert provider.closed == 1


def test_stop_in_the_middle_keeps_exactly_what_was_seen(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three four")
    provider.hold(at=2)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    stopped = service.open(ME, answer.conversation_id).messages[-1]
    assert stopped.text == "one two " and stopped.status is Status.STOPPED
    assert finish(service, answer) == "one two "


def test_continue_extends_a_stopped_reply_in_place(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three four", "three four")
    provider.hold(at=2)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    provider.let_go()
    again = service.continue_(ME, answer.id)
    assert again.id == answer.id and finish(service, again) == "one two three four"
    assert provider.requests[-1].continues == "one two "
    view = service.open(ME, answer.conversation_id)
    assert texts(view)[-1] == "one two three four"
    assert view.messages[-1].status is Status.COMPLETE
    assert view.versions[answer.id].count == 1


def test_a_complete_reply_has_nothing_to_continue(service: ChatService) -> None:
    answer = ask(service, "Hello")
    with pytest.raises(NothingToAnswer):
        service.continue_(ME, answer.id)


def test_followers_who_come_late_see_all_of_it(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three")
    provider.hold(at=2)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    first, second = service.follow(ME, answer.id), service.follow(ME, answer.id)
    assert next(first).text == "one two " and next(second).text == "one two "
    provider.let_go()
    assert "".join(piece.text for piece in first) == "three"
    assert "".join(piece.text for piece in second) == "three"
    assert finish(service, answer) == "one two three"


def test_editing_keeps_the_old_version_and_what_followed_it(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Old answer.", "More.", "New answer.")
    first = ask(service, "Old question")
    ask(service, "And then?", first.conversation_id)
    question = service.open(ME, first.conversation_id).messages[0]
    finish(service, service.edit(ME, question.id, "New question"))
    view = service.open(ME, first.conversation_id)
    assert texts(view) == ["New question", "New answer."]
    versions = view.versions[view.messages[0].id]
    assert (versions.place, versions.count, versions.previous_id) == (2, 2, question.id)
    service.show_version(ME, question.id)
    back = service.open(ME, first.conversation_id)
    assert texts(back) == ["Old question", "Old answer.", "And then?", "More."]


def test_each_retry_is_a_version_and_arrows_move_between_them(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("First.", "Second.", "Third.")
    first = ask(service, "Tell me.")
    second = service.retry(ME, first.id)
    finish(service, second)
    finish(service, service.retry(ME, second.id))
    view = service.open(ME, first.conversation_id)
    last = view.messages[-1]
    assert last.text == "Third." and view.versions[last.id].place == 3
    service.show_version(ME, view.versions[last.id].previous_id or "")
    assert texts(service.open(ME, first.conversation_id))[-1] == "Second."


def test_a_version_shown_again_by_a_page_that_is_behind_shows_what_was_said_since(
    service: ChatService,
) -> None:
    first = service.send(ME, None, Submission("Hello"))
    list(service.follow(ME, first.id))
    list(service.follow(ME, service.retry(ME, first.id).id))
    service.show_version(ME, first.id)
    last = service.send(ME, first.conversation_id, Submission("More"))
    list(service.follow(ME, last.id))
    service.show_version(ME, first.id)
    assert service.open(ME, first.conversation_id).messages[-1].id == last.id


def test_moving_between_nested_versions_returns_to_where_each_was_left(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("a1", "b1", "b2", "a2")
    first = ask(service, "a")
    second = ask(service, "b", first.conversation_id)
    finish(service, service.retry(ME, second.id))
    service.show_version(ME, second.id)
    finish(service, service.retry(ME, first.id))
    assert texts(service.open(ME, first.conversation_id)) == ["a", "a2"]
    service.show_version(ME, first.id)
    assert texts(service.open(ME, first.conversation_id)) == ["a", "a1", "b", "b1"]


@pytest.mark.parametrize(
    "reply",
    [
        [ProviderDown("Scripted")],
        [Delta(text="Half an ans"), ProviderDown("Scripted")],
        [Delta(finish_reason="stop")],
    ],
    ids=["fails at once", "fails in the middle", "comes back empty"],
)
def test_a_retry_that_fails_leaves_the_old_version_in_view(
    service: ChatService, provider: ScriptedProvider, reply: list[Delta | Exception]
) -> None:
    provider.say("Good answer.", "Go on.")
    first = ask(service, "Question")
    ask(service, "More", first.conversation_id)
    provider.say(reply)
    finish(service, service.retry(ME, first.id))
    view = service.open(ME, first.conversation_id)
    assert texts(view) == ["Question", "Good answer.", "More", "Go on."]
    assert view.failed_retry and view.failed_retry.failure
    partial = view.failed_retry.text
    assert view.versions[first.id].count == (2 if partial else 1)


def test_a_later_retry_that_works_ends_the_notice_of_the_failed_one(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Good answer.", [ProviderDown("Scripted")], "Better answer.")
    first = ask(service, "Question")
    finish(service, service.retry(ME, first.id))
    finish(service, service.retry(ME, first.id))
    view = service.open(ME, first.conversation_id)
    assert texts(view)[-1] == "Better answer." and view.failed_retry is None
    assert view.versions[view.messages[-1].id].count == 2


def test_a_failure_keeps_the_text_before_it_and_says_why(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta(text="Half "), Delta(text="way"), ProviderDown("Scripted")])
    answer = ask(service, "Question")
    failed = service.open(ME, answer.conversation_id).messages[-1]
    assert failed.text == "Half way" and failed.status is Status.FAILED
    assert failed.failure and failed.failure.code == "provider_down"
    assert "Scripted" in failed.failure.sentence and failed.is_cut


def test_an_unexpected_error_is_recorded_without_its_words(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([RuntimeError("secret internals")])
    answer = ask(service, "Question")
    failed = service.open(ME, answer.conversation_id).messages[-1]
    assert failed.failure and "secret" not in str(failed.failure)


def test_one_conversation_has_one_running_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    done = ask(service, "First")
    question = service.open(ME, done.conversation_id).messages[0]
    provider.hold()
    running = service.send(ME, done.conversation_id, Submission("Second"))
    assert provider.held.wait(10)
    for act in (
        lambda: service.send(ME, done.conversation_id, Submission("Third")),
        lambda: service.retry(ME, done.id),
        lambda: service.edit(ME, question.id, "Other"),
        lambda: service.continue_(ME, running.id),
        lambda: service.delete_message(ME, done.id),
    ):
        with pytest.raises(ReplyRunning):
            act()
    provider.let_go()
    assert finish(service, running)
    assert len(service.open(ME, done.conversation_id).messages) == 4


def test_a_message_over_the_limit_is_refused_before_any_call(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service(MAX_USER_MESSAGE_TOKENS=10)
    with pytest.raises(MessageTooLong) as refusal:
        service.send(ME, None, Submission("word " * 100))
    assert "10" in refusal.value.sentence and not provider.requests
    assert service.conversations(ME) == []


def test_an_empty_message_is_refused(service: ChatService) -> None:
    with pytest.raises(EmptyMessage):
        service.send(ME, None, Submission("  \n "))


def test_clearing_begins_the_context_afresh_and_can_be_undone(
    service: ChatService, provider: ScriptedProvider
) -> None:
    first = ask(service, "I am Ada.")
    service.clear(ME, first.conversation_id)
    assert service.open(ME, first.conversation_id).mark_at_end == first.id
    ask(service, "Who am I?", first.conversation_id)
    assert [turn.text for turn in provider.requests[-1].turns] == ["Who am I?"]
    view = service.open(ME, first.conversation_id)
    assert len(view.messages) == 4
    assert view.marks == {view.messages[2].id: first.id}
    service.unclear(ME, first.conversation_id, first.id)
    ask(service, "And now?", first.conversation_id)
    assert len(provider.requests[-1].turns) == 5


def test_a_deleted_message_leaves_the_rest_and_comes_back(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("a1", "b1")
    first = ask(service, "a")
    ask(service, "b", first.conversation_id)
    service.delete_message(ME, first.id)
    assert texts(service.open(ME, first.conversation_id)) == ["a", "b", "b1"]
    service.undelete_message(ME, first.id)
    assert texts(service.open(ME, first.conversation_id)) == ["a", "a1", "b", "b1"]


def test_deleting_one_version_shows_another(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("First.", "Second.")
    first = ask(service, "Tell me.")
    second = service.retry(ME, first.id)
    finish(service, second)
    service.delete_message(ME, second.id)
    view = service.open(ME, first.conversation_id)
    assert texts(view) == ["Tell me.", "First."] and view.versions[first.id].count == 1
    service.undelete_message(ME, second.id)
    view = service.open(ME, first.conversation_id)
    assert texts(view) == ["Tell me.", "Second."] and view.versions[second.id].count == 2


def test_an_answer_whose_question_is_gone_cannot_be_retried(service: ChatService) -> None:
    answer = ask(service, "Question")
    question = service.open(ME, answer.conversation_id).messages[0]
    service.delete_message(ME, question.id)
    with pytest.raises(NothingToAnswer):
        service.retry(ME, answer.id)


def test_a_deleted_conversation_is_gone_until_it_is_undone(service: ChatService) -> None:
    answer = ask(service, "Hello")
    service.delete(ME, answer.conversation_id)
    assert service.conversations(ME) == []
    with pytest.raises(NotFound):
        service.open(ME, answer.conversation_id)
    service.undelete(ME, answer.conversation_id)
    assert len(service.open(ME, answer.conversation_id).messages) == 2


def test_deleting_a_conversation_stops_its_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.hold()
    answer = service.send(ME, None, Submission("Hello"))
    assert provider.held.wait(10)
    service.delete(ME, answer.conversation_id)
    assert provider.closed == 1


def test_settings_are_stored_and_apply_to_the_next_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    chosen = ReplySettings("scripted/two", 0.3, "Be brief.", 50)
    answer = service.send(ME, None, Submission("Hello"), chosen)
    finish(service, answer)
    request = provider.requests[-1]
    assert (request.model, request.temperature) == ("two", 0.3)
    assert (request.system_prompt, request.max_tokens) == ("Be brief.", 50)
    service.change_settings(ME, answer.conversation_id, temperature=1.5, model="scripted/one")
    ask(service, "Again", answer.conversation_id)
    assert (provider.requests[-1].model, provider.requests[-1].temperature) == ("one", 1.5)
    stored = service.open(ME, answer.conversation_id).conversation.settings
    assert stored == ReplySettings("scripted/one", 1.5, "Be brief.", 50)


def test_thinking_is_kept_apart_and_not_sent_back(
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
    answer = service.send(ME, None, Submission("Is it?"))
    pieces = list(service.follow(ME, answer.id))
    assert "".join(p.reasoning for p in pieces) == "Hmm, well."
    assert "".join(p.text for p in pieces) == "Yes."
    stored = service.open(ME, answer.conversation_id).messages[-1]
    assert stored.reasoning == "Hmm, well." and stored.reasoning_ms is not None
    ask(service, "Sure?", answer.conversation_id)
    assert all("Hmm" not in turn.text for turn in provider.requests[-1].turns)


def test_another_owner_meets_the_same_answer_as_for_nothing(service: ChatService) -> None:
    answer = ask(service, "Private")
    question = service.open(ME, answer.conversation_id).messages[0]
    conversation = answer.conversation_id
    calls: list[Callable[[], object]] = [
        lambda: service.open(OTHER, conversation),
        lambda: service.send(OTHER, conversation, Submission("Hi")),
        lambda: service.edit(OTHER, question.id, "Hi"),
        lambda: service.retry(OTHER, answer.id),
        lambda: service.continue_(OTHER, answer.id),
        lambda: service.stop(OTHER, conversation),
        lambda: next(service.follow(OTHER, answer.id)),
        lambda: service.show_version(OTHER, answer.id),
        lambda: service.clear(OTHER, conversation),
        lambda: service.unclear(OTHER, conversation, answer.id),
        lambda: service.change_settings(OTHER, conversation, temperature=0.1),
        lambda: service.rename(OTHER, conversation, "Mine"),
        lambda: service.delete(OTHER, conversation),
        lambda: service.undelete(OTHER, conversation),
        lambda: service.delete_message(OTHER, answer.id),
        lambda: service.undelete_message(OTHER, answer.id),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert service.conversations(OTHER) == [] and service.search(OTHER, "Private") == []
    assert texts(service.open(ME, conversation)) == ["Private", "Hello there."]


def test_search_finds_words_in_titles_and_messages(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("The capital is Lima.", "Something else.")
    peru = ask(service, "Tell me about Peru")
    ask(service, "Another thing 100%")
    assert {hit.conversation_id for hit in service.search(ME, "capital lim")} == {
        peru.conversation_id
    }
    assert service.search(ME, "   ") == []


def test_a_reply_left_behind_by_a_dead_process_becomes_interrupted(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    first = make_service()
    provider.say("one two three")
    provider.hold(at=2)
    answer = first.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    generation = first._replies.get(answer.id)
    assert generation is not None
    first._dispatch._save(generation)
    first._replies.release(generation)  # as if this process had died and another came
    second = make_service()
    view = second.open(ME, answer.conversation_id)
    # The first worker's process lives, so only its own answer counts: it does not know the reply.
    assert view.messages[-1].status is Status.STREAMING
    assert first.interrupt_abandoned() == 1
    view = second.open(ME, answer.conversation_id)
    assert view.messages[-1].status is Status.INTERRUPTED and texts(view)[-1] == "one two "


def test_closing_the_service_interrupts_and_stores_what_runs(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    service = make_service()
    provider.say("one two three")
    provider.hold(at=1)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    service._replies.interrupt()
    stopped = make_service().open(ME, answer.conversation_id).messages[-1]
    assert stopped.status is Status.INTERRUPTED and stopped.text == "one "


def test_a_typed_model_id_goes_to_the_provider_as_it_is(
    service: ChatService, provider: ScriptedProvider
) -> None:
    finish(service, service.send(ME, None, Submission("Hi"), ReplySettings(model="brand-new")))
    assert provider.requests[-1].model == "brand-new"


def test_a_retry_of_an_answer_that_came_to_nothing_keeps_what_followed_it_in_reach(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([ProviderDown("Scripted")], "Two.", "One.")
    failed = ask(service, "First")
    ask(service, "Second", failed.conversation_id)
    finish(service, service.retry(ME, failed.id))
    view = service.open(ME, failed.conversation_id)
    assert texts(view) == ["First", "One."]
    service.show_version(ME, view.versions[view.messages[-1].id].previous_id or "")
    assert texts(service.open(ME, failed.conversation_id)) == ["First", "", "Second", "Two."]


BLANK: list[Delta | Exception] = [
    Delta(text=" \n"),
    Delta(text=" \n "),
    Delta(finish_reason="stop"),
]
THOUGHT: list[Delta | Exception] = [Delta(reasoning="Hmm."), *BLANK]


@pytest.mark.parametrize("reply", [BLANK, THOUGHT], ids=["blank", "thought"])
def test_a_retry_that_brings_only_white_space_leaves_the_old_answer_in_view(
    service: ChatService, provider: ScriptedProvider, reply: list[Delta | Exception]
) -> None:
    provider.say("A real answer.", reply)
    answer = ask(service, "Tell me.")
    finish(service, service.retry(ME, answer.id))
    view = service.open(ME, answer.conversation_id)
    assert texts(view) == ["Tell me.", "A real answer."]
    assert view.failed_retry is not None and view.failed_retry.failure is not None
    kind = EmptyReply if reply is BLANK else OnlyReasoning
    assert view.failed_retry.failure.code == kind.code


def test_a_retry_that_is_stopped_before_its_first_word_leaves_the_old_answer_in_view(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("A real answer.", [*BLANK, Delta(text="Late")])
    answer = ask(service, "Tell me.")
    provider.hold(at=2)
    again = service.retry(ME, answer.id)
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    assert texts(service.open(ME, answer.conversation_id)) == ["Tell me.", "A real answer."]
    stopped = service._store.messages.get(ME, again.id)
    assert stopped.status is Status.STOPPED and not stopped.is_cut
    with pytest.raises(NothingToAnswer):
        service.continue_(ME, again.id)


def test_white_space_before_the_first_word_stays_part_of_the_answer(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(
        [Delta(text="  "), Delta(text="  "), Delta(text="code"), Delta(finish_reason="stop")]
    )
    answer = service.send(ME, None, Submission("Tell me."))
    assert finish(service, answer) == "    code"
    assert texts(service.open(ME, answer.conversation_id))[-1] == "    code"


def test_acting_from_a_stale_tab_leaves_every_version_in_reach(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", "Three.")
    first = ask(service, "Tell me.")
    finish(service, service.retry(ME, first.id))
    finish(service, service.retry(ME, first.id))  # a tab that still shows the first version
    seen = []
    view = service.open(ME, first.conversation_id)
    while True:
        seen.append(view.messages[-1].text)
        previous = view.versions[view.messages[-1].id].previous_id
        if previous is None:
            break
        service.show_version(ME, previous)
        view = service.open(ME, first.conversation_id)
    assert seen == ["Three.", "Two.", "One."]


def test_a_question_edited_from_a_stale_tab_keeps_its_answer(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("A1", "A2", "A3")
    first = ask(service, "Q1")
    question = service.open(ME, first.conversation_id).messages[0]
    second = service.edit(ME, question.id, "Q2")
    finish(service, second)
    finish(service, service.edit(ME, question.id, "Q3"))
    view = service.open(ME, first.conversation_id)
    service.show_version(ME, view.versions[view.messages[0].id].previous_id or "")
    assert texts(service.open(ME, first.conversation_id)) == ["Q2", "A2"]


def test_a_second_continue_does_not_disown_the_running_reply(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three four", "three four")
    provider.hold(at=2)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    provider.hold(at=0)
    service.continue_(ME, answer.id)
    assert provider.held.wait(10)
    with pytest.raises(ReplyRunning):
        service.continue_(ME, answer.id)
    assert service.open(ME, answer.conversation_id).live is not None
    provider.let_go()
    assert finish(service, answer) == "one two three four"


def test_continuing_adds_to_what_was_measured(
    service: ChatService, provider: ScriptedProvider
) -> None:
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
    finish(service, service.continue_(ME, answer.id))
    whole = service.open(ME, answer.conversation_id).messages[-1]
    assert whole.text == "one two" and whole.reasoning_ms is not None
    assert whole.usage == Usage(30, 8, True)


def test_only_the_last_reply_goes_on(service: ChatService, provider: ScriptedProvider) -> None:
    provider.say([Delta(text="one"), Delta(finish_reason="length")], "two")
    first = ask(service, "Count.")
    ask(service, "More", first.conversation_id)
    with pytest.raises(NothingToAnswer):
        service.continue_(ME, first.id)


def test_a_reply_of_nothing_but_thinking_is_told_as_that(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say([Delta(reasoning="Hmm."), Delta(finish_reason="length")])
    answer = ask(service, "Is it?")
    last = service.open(ME, answer.conversation_id).messages[-1]
    assert last.failure and last.failure.code == "only_thinking" and last.reasoning == "Hmm."


def test_a_retry_that_fails_out_of_view_leaves_the_other_version_where_it_was(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", [Delta(text="x"), ProviderDown("Scripted")])
    first = ask(service, "Tell me.")
    second = service.retry(ME, first.id)
    finish(service, second)
    provider.hold(at=1)
    third = service.retry(ME, second.id)
    assert provider.held.wait(10)
    service.show_version(ME, first.id)
    provider.let_go()
    finish(service, third)
    service.show_version(ME, second.id)
    assert texts(service.open(ME, first.conversation_id))[-1] == "Two."


def test_deleting_a_version_that_has_followers_keeps_them_and_the_other_versions(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("One.", "Two.", "More.")
    first = ask(service, "Tell me.")
    second = service.retry(ME, first.id)
    finish(service, second)
    ask(service, "And?", first.conversation_id)
    service.delete_message(ME, second.id)
    view = service.open(ME, first.conversation_id)
    assert texts(view) == ["Tell me.", "Two.", "And?", "More."]
    assert view.messages[1].is_deleted and view.versions[second.id].count == 2
    ask(service, "So?", first.conversation_id)
    assert all("Two." not in turn.text for turn in provider.requests[-1].turns)
    service.show_version(ME, first.id)
    assert texts(service.open(ME, first.conversation_id)) == ["Tell me.", "One."]


def test_a_conversation_whose_model_is_gone_can_still_be_read(
    make_service: Callable[..., ChatService], provider: ScriptedProvider
) -> None:
    answer = ask(make_service(), "Hello")
    provider.name = "another"  # the provider of the stored model is no longer configured
    later = make_service()
    later._store.conversations.change_settings(
        ME, answer.conversation_id, ReplySettings(model="gone/model")
    )
    view = later.open(ME, answer.conversation_id)
    assert len(view.messages) == 2
    with pytest.raises(ProviderError):
        later.send(ME, answer.conversation_id, Submission("Still there?"))
    assert len(provider.requests) == 1


def test_a_small_window_leaves_room_for_memory(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("Hi Ada.")
    first = ask(service, "I am Ada.")
    ask(service, "Who am I?", first.conversation_id)
    assert len(provider.requests[-1].turns) == 3
    assert provider.requests[-1].max_tokens == 4000  # half of the model's window of 8,000


def test_what_a_database_would_refuse_is_stored_all_the_same(
    service: ChatService, provider: ScriptedProvider
) -> None:
    odd: list[Delta | Exception] = [
        Delta(text="a\0b \ud800c"),
        Delta(finish_reason="x" * 100, usage=Usage(2**40, 2**40, True)),
    ]
    provider.say(odd)
    answer = ask(service, "nul \0 here")
    view = service.open(ME, answer.conversation_id)
    assert view.messages[-1].text == "a\ufffdb ?c" and view.messages[0].text == "nul \ufffd here"
    for wrong in ("", "\0", "x' OR 1=1", "é" * 30):
        with pytest.raises(NotFound):
            service.open(ME, wrong)


def test_a_part_that_was_not_counted_leaves_the_whole_reply_to_be_estimated(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say("one two three four", "three four")
    provider.hold(at=2)
    answer = service.send(ME, None, Submission("Count."))
    assert provider.held.wait(10)
    service.stop(ME, answer.conversation_id)
    provider.let_go()
    finish(service, service.continue_(ME, answer.id))
    whole = service.open(ME, answer.conversation_id).messages[-1]
    assert whole.usage is None and whole.tokens >= 4
