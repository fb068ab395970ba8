"""Replies with a closing `</think>` only, because the prompt template contains the opening tag."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import ChatService, Message, Status, Submission
from chat.domain.message import Usage
from chat.errors import OnlyReasoning
from chat.providers.base import Delta
from chat.replies.buffer import ReplyChunk
from chat.replies.running_reply import RunningReply
from tests.support.scripted_provider import ScriptedProvider

ME = "visitor:me"
FENCED = "It looks so:\n\n```\nhmm\n</think>\n\nAnswer\n```\n"

SPLIT = {
    "on its own line": (
        "inner\nthoughts\n</think>\n\nVisible text",
        "inner\nthoughts\n",
        "Visible text",
    ),
    "after the last word": ("inner thoughts</think>\n\nVisible", "inner thoughts", "Visible"),
    "before the first word": ("inner\n</think>Visible\ntext", "inner\n", "Visible\ntext"),
    "at the very start": ("</think>\n\nVisible", "", "Visible"),
    "at the very end": ("inner\n</think>", "inner\n", ""),
    "thoughts about the tag": (
        "They ask about `</think>` and `<think>`.\n</think>\nIt ends with `</think>`\n</think>\n",
        "They ask about `</think>` and `<think>`.\n",
        "It ends with `</think>`\n</think>\n",
    ),
    "thoughts with code": (FENCED + "</think>\r\n\r\nVisible", FENCED, "Visible"),
}
UNSPLIT = {
    "in a fence": FENCED,
    "in a fence of tildes": "~~~~ text\n```\n~~~\n</think>\n~~~~\nSo.",
    "in a fence that is still open": "```\nhmm\n</think>\n\nAnswer",
    "in backticks": "It ends with `</think>`\n\nThen comes the answer.",
    "within a sentence": "The tag </think> ends it, and </think>\n\nnothing else.",
    "begins a sentence": "So:\n\n</think> is the closing tag.\n</think>: the same.\n",
    "indented code": "So:\n\n    </think>\n\nDone.",
    "with its opening tag": "So:\n\n<think>\nhmm\n</think>\n\nDone.",
    "after the last word of all": "It is <b>so</think>",
}


class Sink:
    def save(self, reply: RunningReply) -> None: ...

    def finish(self, reply: RunningReply) -> None: ...


def buffered(text: str, cuts: list[int]) -> RunningReply:
    generation = RunningReply("a", Sink())
    generation.begin(0.0)
    edges = [0, *sorted(cuts), len(text)]
    for now, (a, b) in enumerate(pairwise(edges), 1):
        generation.add(Delta(text=text[a:b]), float(now))
    generation.end(Status.COMPLETE, float(len(edges)))
    return generation


@pytest.mark.parametrize(("reply", "reasoning", "text"), SPLIT.values(), ids=list(SPLIT))
@given(cuts=st.lists(st.integers(0, 130), max_size=12))
def test_text_before_an_unopened_closing_tag_is_reasoning(
    reply: str, reasoning: str, text: str, cuts: list[int]
) -> None:
    generation = buffered(reply, [min(cut, len(reply)) for cut in cuts])
    assert (generation.buffer.reasoning, generation.buffer.text) == (reasoning, text)
    assert (generation.reasoning_ms is not None) == bool(reasoning)


@pytest.mark.parametrize("reply", UNSPLIT.values(), ids=list(UNSPLIT))
@given(cuts=st.lists(st.integers(0, 80), max_size=12))
def test_answer_that_mentions_the_tag_is_unchanged(reply: str, cuts: list[int]) -> None:
    generation = buffered(reply, [min(cut, len(reply)) for cut in cuts])
    assert (generation.buffer.reasoning, generation.buffer.text) == ("", reply)


def test_closing_tag_is_text_after_separate_reasoning() -> None:
    generation = RunningReply("a", Sink())
    generation.begin(0.0)
    generation.add(Delta(reasoning="hmm"), 1.0)
    generation.add(Delta(text="So:\n</think>\nDone"), 2.0)
    generation.end(Status.COMPLETE, 3.0)
    assert (generation.buffer.reasoning, generation.buffer.text) == ("hmm", "So:\n</think>\nDone")


def test_follower_ends_when_text_becomes_reasoning() -> None:
    generation = RunningReply("a", Sink())
    generation.begin(0.0)
    generation.add(Delta(text="inner"), 1.0)
    seen = generation.buffer.follow()
    assert next(seen) == ReplyChunk("inner")
    generation.add(Delta(text="\n</think>\n\nVisible"), 2.0)
    assert next(seen, None) is None
    assert next(generation.buffer.follow()) == ReplyChunk("Visible", "inner\n")
    assert generation.reasoning_ms == 1000


def _deltas(*texts: str, reason: str = "stop") -> list[Delta | Exception]:
    end = Delta(finish_reason=reason, usage=Usage(5, 5, is_reported=True))
    return [*(Delta(text=text) for text in texts), end]


def _wait(service: ChatService, answer: Message) -> Message:
    while service.as_owner(ME).conversations.open(answer.conversation_id).running_id:
        list(service.as_owner(ME).messages.follow(answer.id))
    return service.space.store.messages.get(ME, answer.id)


def test_reasoning_before_an_unopened_tag_is_stored_and_not_sent_back(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(_deltas("inner thoughts", "</think>\n\nVisible text"), "Bye.")
    answer = _wait(service, service.as_owner(ME).messages.send(None, Submission("Hi")))
    assert (answer.text, answer.reasoning) == ("Visible text", "inner thoughts")
    assert answer.status is Status.COMPLETE
    _wait(service, service.as_owner(ME).messages.send(answer.conversation_id, Submission("Bye")))
    assert [turn.text for turn in provider.requests[-1].turns] == ["Hi", "Visible text", "Bye"]


def test_reply_of_reasoning_before_an_unopened_tag_only_fails(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(_deltas("inner thoughts\n", "</think>"))
    answer = _wait(service, service.as_owner(ME).messages.send(None, Submission("Hi")))
    assert answer.failure is not None and answer.failure.code == OnlyReasoning.code
    assert (answer.text, answer.reasoning) == ("", "inner thoughts\n")


def test_continued_reasoning_is_joined_before_the_closing_tag(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(_deltas("inner ", reason="length"), _deltas("thoughts\n</think>\n", "Visible"))
    answer = _wait(service, service.as_owner(ME).messages.send(None, Submission("Hi")))
    assert answer.text == "inner " and answer.is_cut
    answer = _wait(service, service.as_owner(ME).messages.continue_(answer.id))
    assert (answer.text, answer.reasoning) == ("Visible", "inner thoughts\n")


def test_reasoning_in_a_continuation_keeps_the_earlier_text(
    service: ChatService, provider: ScriptedProvider
) -> None:
    provider.say(_deltas("first\n</think>\n\nIt is ", reason="length"))
    provider.say(_deltas("second\n</think>\n\n", "blue."))
    answer = _wait(service, service.as_owner(ME).messages.send(None, Submission("Hi")))
    answer = _wait(service, service.as_owner(ME).messages.continue_(answer.id))
    assert (answer.text, answer.reasoning) == ("It is blue.", "first\n\n\nsecond\n")


@pytest.mark.parametrize("where", ["the same process", "another process"])
def test_follower_sees_the_text_restart_after_the_closing_tag(
    make_service: Callable[..., ChatService], provider: ScriptedProvider, where: str
) -> None:
    writer = make_service()
    reader = writer if where == "the same process" else make_service()
    provider.say(_deltas("inner ", "thoughts\n", "</think>\n", "\nVis", "ible"))
    provider.hold(at=2)
    answer = writer.as_owner(ME).messages.send(None, Submission("Hi"))
    assert provider.held.wait(10)
    following = reader.as_owner(ME).messages.follow(answer.id)
    seen = ""
    while seen != "inner thoughts\n":
        seen += next(following).text
    provider.release()
    assert "".join(piece.text for piece in following).strip() in ("", "</think>")
    _wait(writer, answer)
    last = list(reader.as_owner(ME).messages.follow(answer.id))
    assert "".join(piece.text for piece in last) == "Visible"
    assert "".join(piece.reasoning for piece in last) == "inner thoughts\n"
