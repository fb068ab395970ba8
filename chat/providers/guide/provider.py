"""Guide: the built-in offline assistant that answers from Parley's manual.

It is not a language model. The same question always gets the same answer, so that a stopped reply
can be continued. It streams at reading speed through an injectable `pause` and sees only the turns
of one request.
"""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from chat.domain.message import Role, Usage
from chat.errors import ProviderError
from chat.providers.base import Delta, Model, Request
from chat.providers.guide.manual import (
    COURTESIES,
    MANUAL_FOLDER,
    Manual,
    SearchHit,
    Topic,
    plain,
    terms,
)

_MODEL = Model("guide", "guide", window_tokens=None, vision=False)
_TOKENS_PER_WORD = 1.3
_MAX_COUNT, _DEFAULT_COUNT = 1_000, 200
_LONG_TEXT_WORDS = 1_500
_SHORT_REQUEST_WORDS = 3
_MAX_SEE_ALSO, _MIN_RELATED_SCORE = 2, 0.3  # the score is relative to the best section
_SAMPLES = "markdown"  # the topic with formatting samples, left out of a long text

_COUNT = re.compile(
    r"(?:please |can you |could you )*(?:count|zähle?)\b(?: up)?(?: from (?:zero|one|[01]))?"
    r"(?: (?:up )?(?:to|till|until|bis) (\d{1,9}))?"
)
_LONG_TEXT = re.compile(
    r"(?:please |can you |could you |would you )*"
    r"(?:write|tell|give|say|generate|make|produce|create|send|show)\b.{0,40}\blong(?:er)?\b"
    r".{0,30}\b(?:text|story|reply|answer|essay|message|poem|something|one)\b"
    r"|something long\b|long text\b"
)
_WITHOUT_MANUAL = (
    "I am **Guide**, the offline assistant built into Parley. I am not a language model: I answer "
    "from Parley's manual, but its folder `docs/manual` is missing from this installation.\n\n"
    "To talk to a language model, put a provider's key, for example `OPENAI_API_KEY=…`, into a "
    "file named `.env` in Parley's folder, or start Ollama on this machine. Then restart Parley "
    "and choose the model in the sidebar."
)
_WELCOME_BACK = "You are welcome. Ask me anything else about Parley whenever you like."
_WAS_COMPLETE = "That was already the complete answer."


class GuideProvider:
    """See `base.Provider`. Always available. `pause` waits for seconds, like `asyncio.sleep`."""

    name = "guide"
    label = "Guide"

    def __init__(
        self,
        folder: Path = MANUAL_FOLDER,
        *,
        words_per_second: float = 80.0,
        first_after: float = 0.15,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._manual = Manual(folder)
        self._word_seconds = 1 / words_per_second
        self._first_after = first_after
        self._pause = pause

    def models(self) -> tuple[Model, ...]:
        return (_MODEL,)

    async def stream(self, request: Request) -> AsyncIterator[Delta]:
        """Yield the answer word by word, with usage estimated at four characters per token."""
        try:
            # In a thread, because the first use reads the files of the manual.
            answer = await asyncio.to_thread(self._answer, request)
        except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
            raise ProviderError(self.label, details=f"{type(error).__name__}: {error}") from error
        words = re.findall(r"\s*\S+\s*", answer)
        limit = len(words)
        if request.max_tokens is not None:
            limit = max(1, int(request.max_tokens / _TOKENS_PER_WORD))
        for place, word in enumerate(words[:limit]):
            await self._pause(self._word_seconds if place else self._first_after)
            yield Delta(text=word)
        sent = request.system_prompt + "".join(turn.text for turn in request.turns)
        written = "".join(words[:limit])
        yield Delta(
            finish_reason="length" if limit < len(words) else "stop",
            usage=Usage(len(sent) // 4 + 1, len(written) // 4 + 1, is_reported=False),
        )

    async def discover(self) -> None:
        """Do nothing: the only model is built in."""

    async def close(self) -> None:
        """Do nothing: there is no connection."""

    def _answer(self, request: Request) -> str:
        """Return the whole answer, or the rest of it if the request continues a partial one."""
        answer = reply_to(self._manual, *_questions(request))
        if not request.partial_answer:
            return answer
        rest = answer.removeprefix(request.partial_answer)
        if rest.strip() and rest != answer:
            return rest
        return "\n\n" + _WAS_COMPLETE


def _questions(request: Request) -> tuple[str, str, str]:
    """Return the question, the last earlier question with search terms, and all earlier answers."""
    turns = list(request.turns)
    while turns and turns[-1].role is not Role.USER:
        turns.pop()
    question = turns.pop().text if turns else ""
    questions = [turn.text for turn in turns if turn.role is Role.USER]
    earlier = next((text for text in reversed(questions) if terms(text)), "")
    return question, earlier, "\n".join(t.text for t in turns if t.role is Role.ASSISTANT)


def reply_to(manual: Manual, question: str, earlier: str = "", answered: str = "") -> str:
    """Return Guide's answer in Markdown, never empty.

    `earlier` is the previous question and `answered` the text of the earlier answers: "more"
    returns sections that `answered` does not contain.
    """
    phrase, topics = plain(question), manual.topics()
    words = set(re.findall(r"\w+", phrase))
    counting = _COUNT.match(phrase)
    if counting and (counting[1] or len(words) <= _SHORT_REQUEST_WORDS):
        return _count_to(int(counting[1] or _DEFAULT_COUNT))
    if not any(topic.sections for topic in topics):
        return _WITHOUT_MANUAL
    if _LONG_TEXT.match(phrase):
        return _long_text(topics)
    if terms(question):
        hits = manual.search(question, earlier)
        return _answer_with(hits) if hits else _not_found(words, topics)
    if section := manual.match_phrase(question):
        return section.text
    if words & COURTESIES:
        return _WELCOME_BACK
    if not words or not earlier:
        return _not_found(words, topics)
    more = tuple(h for h in _related(manual.search(earlier)) if h.section.text not in answered)
    if more:
        return _answer_with(more)
    return "That is all my manual says about this.\n\n" + _topic_list(topics)


def _answer_with(hits: tuple[SearchHit, ...]) -> str:
    best, *others = _related(hits)
    parts = [best.section.text]
    if not best.is_sure:
        parts.insert(0, f"The closest section in my manual: *{best.section.title}*")
    if others:
        titles = (f"*{hit.section.title}*" for hit in others[:_MAX_SEE_ALSO])
        parts.append("**See also:** " + " · ".join(titles))
    return "\n\n".join(parts)


def _related(hits: tuple[SearchHit, ...]) -> tuple[SearchHit, ...]:
    return tuple(hit for hit in hits if hit.score >= _MIN_RELATED_SCORE * hits[0].score)


def _not_found(words: set[str], topics: tuple[Topic, ...]) -> str:
    begin = "I found nothing about that in Parley's manual." if words else "I found no words in it."
    return (
        f"{begin} I am Guide, a built-in assistant and not a language model; I only know Parley. "
        "For anything else, ask me “How do I connect a model?”\n\n" + _topic_list(topics)
    )


def _topic_list(topics: tuple[Topic, ...]) -> str:
    lines = [f"- **{topic.title}**: {topic.intro}" for topic in topics if topic.sections]
    return "Topics in the manual:\n\n" + "\n".join(lines)


def _long_text(topics: tuple[Topic, ...]) -> str:
    """Return whole topics of the manual, until the text is long enough to try **Stop**."""
    parts = ["Here is the manual from the beginning. Press **Stop** at any time."]
    for topic in topics:
        if topic.name == _SAMPLES:
            continue
        parts.append(f"## {topic.title}\n\n{topic.intro}")
        parts += [f"### {section.title}\n\n{section.text}" for section in topic.sections]
        if len(" ".join(parts).split()) >= _LONG_TEXT_WORDS:
            break
    return "\n\n".join(parts)


def _count_to(last: int) -> str:
    until = min(last, _MAX_COUNT)
    rows = [
        ", ".join(_in_words(n) for n in range(first, min(first + 10, until + 1)))
        for first in range(1, until + 1, 10)
    ]
    if not rows:
        return "There is nothing to count: zero."
    end = "." if until == last else f". I stop at {until:,}."
    return ",\n\n".join(rows).capitalize() + end


_ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
fifteen sixteen seventeen eighteen nineteen"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"


def _in_words(number: int) -> str:
    """Return `number`, from 0 to 1,000, in English words."""
    if number < 20:
        return _ONES.split()[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS.split()[tens - 2] + (f"-{_ONES.split()[ones]}" if ones else "")
    if number < 1_000:
        hundreds, rest = divmod(number, 100)
        return f"{_ONES.split()[hundreds]} hundred" + (f" and {_in_words(rest)}" if rest else "")
    return "one thousand"
