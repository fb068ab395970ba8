"""Assemble the chunks of one reply into deltas. Pure.

The only place that knows what the order of chunks means: text after a finish is text, the whole
message after its parts is a repetition, and a thought may be marked by tags in the text.
"""

from __future__ import annotations

from typing import Any

from chat.domain.message import Usage
from chat.observability.redaction import StreamRedactor
from chat.providers.base import Delta
from chat.providers.openai_compatible.finish_reasons import Finish, finish_of
from chat.providers.openai_compatible.reasoning_marks import without_tags
from chat.providers.openai_compatible.reasoning_tags import ThinkTagSplitter
from chat.providers.openai_compatible.reply_chunk import (
    calls_tool,
    content,
    finish_word,
    first_choice,
    usage_counts,
)
from chat.providers.openai_compatible.text_joiner import TextJoiner

_MIN_REPEATED = 24  # characters; a shorter piece may well be written twice


class ReplyAssembler:
    """Text, reasoning, finish and usage of a reply, chunk by chunk."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._tags = ThinkTagSplitter()
        self._text_joiner, self._reasoning_joiner = TextJoiner(), TextJoiner()
        self._text, self._reasoning = StreamRedactor(secrets), StreamRedactor(secrets)
        self._pieces: list[str] = []  # of the text before tags are split off
        self._length = 0  # of all of them, in characters
        self._has_deltas = False
        self.finish: Finish | None = None
        self.finish_word = ""
        self._prompt_tokens = self._completion_tokens = 0
        self._is_usage_complete = True  # no content came after the newest count of its tokens
        self.has_content = False  # a delta with text or reasoning was returned
        self.has_words = False  # text or reasoning other than white space
        self.has_tool_call = False
        self.is_finish_alone = False  # the finish came in a chunk without text
        self.is_finish_disproved = False  # text came after a finish
        self.is_finish_last = False  # no text came after the newest finish

    @property
    def usage(self) -> Usage | None:
        """The reported usage; None if it does not cover the whole reply."""
        if not self._is_usage_complete or not (self._prompt_tokens or self._completion_tokens):
            return None
        return Usage(self._prompt_tokens, self._completion_tokens, is_reported=True)

    def add(self, chunk: dict[str, Any]) -> Delta | None:
        """Return the text and reasoning that `chunk` completes."""
        choice = first_choice(chunk)
        word = finish_word(choice) if choice else ""
        reasoning, text = self._new_content(choice, is_last=bool(word)) if choice else ("", "")
        if text or reasoning:
            self._note_content()
        if (counts := usage_counts(chunk)) is not None:
            self._note_usage(*counts)
        if word:
            self._note_finish(word, is_alone=not (text or reasoning))
        if not (text or reasoning):
            return None
        return self._delta(*self._split(reasoning, text))

    def flush(self) -> Delta | None:
        """Return what is still buffered at the end of the reply."""
        tagged, text = self._tags.feed(self._text_joiner.finish())
        late, more = self._tags.finish()
        reasoning = self._reasoning.feed(self._reasoning_joiner.finish() + tagged + late)
        return self._delta(
            reasoning + self._reasoning.finish(),
            self._text.feed(text + more) + self._text.finish(),
        )

    def _new_content(self, choice: dict[str, Any], *, is_last: bool) -> tuple[str, str]:
        """Return the (reasoning, text) of a choice that earlier chunks did not contain."""
        delta, message = choice.get("delta"), choice.get("message")
        if isinstance(delta, dict) and delta:
            self.has_tool_call = self.has_tool_call or calls_tool(delta)
            reasoning, text = content(delta)
            if reasoning or text:
                self._has_deltas = True
                if is_last and len(text) >= _MIN_REPEATED and self._repeats(text):
                    return reasoning, ""
                return reasoning, self._kept(text)
        if isinstance(message, dict):
            self.has_tool_call = self.has_tool_call or calls_tool(message)
            return self._rest_of_message(*content(message), is_last=is_last)
        older = choice.get("text")  # of the older completions API
        if isinstance(older, str) and not isinstance(delta, dict):
            return "", self._kept(older)
        return "", ""

    def _rest_of_message(self, reasoning: str, text: str, *, is_last: bool) -> tuple[str, str]:
        """Return what a whole `message` adds to the text so far, which it may repeat."""
        if self._has_deltas:
            return "", ""
        is_longer = len(text) > self._length > 0
        if is_longer and text.startswith("".join(self._pieces)):
            return "", self._kept(text[self._length :])
        if is_last and self._repeats(text):
            return "", ""
        return reasoning, self._kept(text)

    def _repeats(self, text: str) -> bool:
        return bool(text) and len(text) == self._length and text == "".join(self._pieces)

    def _kept(self, text: str) -> str:
        self._pieces.append(text)
        self._length += len(text)
        return text

    def _note_usage(self, prompt: int, completion: int) -> None:
        """Merge a report: some providers send the prompt first and the completion at the end."""
        self._prompt_tokens = prompt or self._prompt_tokens
        if completion:
            self._completion_tokens = completion
            self._is_usage_complete = True

    @property
    def _is_credible(self) -> bool:
        return self.is_finish_last and not self.is_finish_disproved

    def _note_content(self) -> None:
        if self.finish is not None:
            self.is_finish_disproved = True
        self.is_finish_last = self._is_usage_complete = False

    def _note_finish(self, word: str, *, is_alone: bool) -> None:
        finish = finish_of(word)
        if finish is None:
            return
        is_problem = finish not in {Finish.STOP, Finish.UNKNOWN}
        if self.finish not in {None, Finish.UNKNOWN} and not is_problem and self._is_credible:
            return  # a gateway's "stop" after the provider's "length"
        self.finish, self.finish_word = finish, word
        self.is_finish_alone, self.is_finish_last = is_alone, True

    def _split(self, reasoning: str, text: str) -> tuple[str, str]:
        """Return (reasoning, text) after joining halves, splitting tags and redaction."""
        text = self._text_joiner.feed(text)
        if reasoning:
            reasoning = self._reasoning_joiner.feed(reasoning)
            self._tags.note_reasoning()
            reasoning = without_tags(reasoning)
        if text:
            tagged, text = self._tags.feed(text)
            reasoning += tagged
        return self._reasoning.feed(reasoning) if reasoning else "", self._text.feed(text)

    def _delta(self, reasoning: str, text: str) -> Delta | None:
        if not (reasoning or text):
            return None
        self.has_content = True
        self.has_words = self.has_words or bool(reasoning.strip() or text.strip())
        return Delta(text=text, reasoning=reasoning)
