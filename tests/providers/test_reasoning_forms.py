"""Reasoning in the tags and fields of different models and servers, over a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.providers.openai_compatible.reasoning_tags import ThinkTagSplitter
from tests.support.llm_server import LLMServer
from tests.support.provider_replies import DONE, STOP, event, played


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


def split(pieces: list[str]) -> tuple[str, str]:
    """Return the (reasoning, text) of a reply with these pieces."""
    splitter = ThinkTagSplitter()
    found = [*map(splitter.feed, pieces), splitter.finish()]
    return "".join(each[0] for each in found), "".join(each[1] for each in found)


TAGS = [
    ("<think>", "</think>"),
    ("<thought>", "</thought>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
    ("<Think>", "</THINK>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("◁think▷", "◁/think▷"),
    ("<|channel|>analysis<|message|>", "<|end|>"),
]


@pytest.mark.parametrize(("opening", "closing"), TAGS)
def test_reasoning_in_tags_is_folded(server: LLMServer, opening: str, closing: str) -> None:
    pieces = [opening + "pondering", f" more{closing}\n\nThe answer."]
    answer = played(server, *(event({"content": each}) for each in pieces), STOP, DONE)
    assert (answer.text, answer.reasoning) == ("The answer.", "pondering more")


FORMS = {
    "repeated": ("<think>a</think>\n\n<think>b</think>\n\nAnswer", "a\n\nb", "Answer"),
    "repeated at once": ("<think>a</think><think>b</think>Answer", "a\n\nb", "Answer"),
    "in another tag again": ("<think>a</think>\n<thought>b</thought>\nAnswer", "a\n\nb", "Answer"),
    "between parts": (
        "<think>a</think>\n\nOne.\n\n<think>b</think>\n\nTwo.",
        "a\n\nb",
        "One.\n\nTwo.",
    ),
    "nested": ("<think>\n<think>a</think>\nb</think>\n\nAnswer", "\na\nb", "Answer"),
    "nested at once": ("<think><think>a</think></think>\nAnswer", "a", "Answer"),
    "nested and unclosed": ("<think>\n<think>a</think>\n\nAnswer", "\na", "Answer"),
    "a stray closing tag": ("<think>a</think>\n</think>\n\nAnswer", "a", "Answer"),
    "a stray closing tag of another kind": ("<think>a</think></thought>Answer", "a", "Answer"),
    "an answer in tags": (
        "<|begin_of_thought|>a<|end_of_thought|>\n\n<|begin_of_solution|>Answer<|end_of_solution|>",
        "a",
        "Answer",
    ),
    "channels": (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Answer",
        "a",
        "Answer",
    ),
    "a mention": ("<think>Use `<think>` and <think> here</think>Answer",
                  "Use `<think>` and <think> here", "Answer"),
    "unfinished": ("<thought>a and b", "a and b", ""),
}  # fmt: skip
PLAIN = {
    "a mention": "The tag <think> opens it, </think> closes it.",
    "brackets": "[thinking] aloud\nyes",
    "a later block": "So:\n\n<reasoning>\nhmm\n</reasoning>\n\nDone.",
    "a fence after reasoning": "```\n<think>\n</think>\n```\nDone.",
    "another tag": "<thoughtful>x</thoughtful>",
    "XML": "<answer>1</answer>",
}


@pytest.mark.parametrize(("reply", "reasoning", "text"), FORMS.values(), ids=list(FORMS))
@given(cuts=st.lists(st.integers(0, 130), max_size=12))
def test_blocks_of_reasoning_are_split_off(
    reply: str, reasoning: str, text: str, cuts: list[int]
) -> None:
    edges = [0, *sorted(min(cut, len(reply)) for cut in cuts), len(reply)]
    assert split([reply[a:b] for a, b in pairwise(edges)]) == (reasoning, text)


@pytest.mark.parametrize("reply", PLAIN.values(), ids=list(PLAIN))
@pytest.mark.parametrize("lead", ["", "<think>a</think>\n\n"], ids=["alone", "after reasoning"])
def test_mention_of_a_tag_is_text(reply: str, lead: str) -> None:
    assert "".join(split(list(lead + reply))[1]) == reply


DELTAS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "reasoning_details": (
        [{"reasoning_details": [{"type": "reasoning.text", "text": "pon"}]},
         {"reasoning_details": [{"type": "reasoning.summary", "summary": "dering"}]}],
        "pondering",
    ),
    "reasoning_details with reasoning": (
        [{"reasoning": "pondering",
          "reasoning_details": [{"type": "reasoning.text", "text": "pondering"}]}],
        "pondering",
    ),
    "encrypted details": (
        [{"reasoning_details": [{"type": "reasoning.encrypted", "data": "abc"}]}],
        "",
    ),
    "thinking": ([{"thinking": "pondering"}], "pondering"),
    "thinking blocks": (
        [{"thinking_blocks": [{"type": "thinking", "thinking": "pondering"}]}],
        "pondering",
    ),
    "an object": ([{"reasoning": {"content": "pondering"}}], "pondering"),
    "a part": (
        [{"content": [{"type": "reasoning", "text": "pon"}, {"type": "thought", "text": "der"}]}],
        "ponder",
    ),
    "marked by Gemini": (
        [{"content": "<thought>pondering", "extra_content": {"google": {"thought": True}}}],
        "<thought>pondering",
    ),
    "tags in the field": (
        [{"reasoning_content": "<think>"}, {"reasoning_content": "pondering"},
         {"reasoning_content": "</think>"}],
        "pondering",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("deltas", "reasoning"), DELTAS.values(), ids=list(DELTAS))
def test_reasoning_in_a_field_is_folded(
    server: LLMServer, deltas: list[dict[str, Any]], reasoning: str
) -> None:
    answer = played(server, *map(event, deltas), event({"content": "The answer."}), STOP, DONE)
    assert (answer.text, answer.reasoning) == ("The answer.", reasoning)


@pytest.mark.parametrize(
    "closing", ["</think>", "\n</think>\n", "</thought>", "[/THINK]", "</think></think>"]
)
def test_stray_closing_tag_after_reasoning_of_a_field_is_dropped(
    server: LLMServer, closing: str
) -> None:
    events = [event({"reasoning_content": "pondering"})]
    events += [event({"content": each}) for each in closing + "\n\nThe answer."]
    answer = played(server, *events, STOP, DONE)
    assert (answer.text, answer.reasoning) == ("The answer.", "pondering")
