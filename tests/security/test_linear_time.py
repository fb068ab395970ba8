"""Time of every pure function over texts of people, models, files and providers: linear.

A text that takes quadratic time would stop every user, because a thread that matches a pattern
holds the interpreter lock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from chat.attachments.file_names import clean_name
from chat.domain.document_fencing import fence_document
from chat.domain.identity import is_email_listed, is_visitor_cookie
from chat.domain.search_query import Matcher, parse_query
from chat.domain.title import title_from
from chat.domain.token_estimate import estimate_tokens
from chat.domain.tokenization import tokenize
from chat.errors import ParleyError
from chat.formats.export import file_stem
from chat.formats.markdown import escape_line, self_contained
from chat.observability.redaction import StreamRedactor, contains_secret, redact
from chat.providers.guide.manual import plain, terms
from chat.providers.hidden_reasoning import hides_reasoning
from chat.providers.openai_compatible.error_body import parse_error_body
from chat.providers.openai_compatible.error_mapping import to_provider_error
from chat.providers.openai_compatible.finish_reasons import finish_of
from chat.providers.openai_compatible.reasoning_marks import without_tags
from chat.providers.openai_compatible.reasoning_tags import ThinkTagSplitter
from chat.providers.openai_compatible.retry_after import retry_after_seconds
from chat.providers.openai_compatible.sse import SSEDecoder, parse_event
from chat.providers.ssrf.public_address import parse_base_url
from pages.markdown import sanitize
from pages.markdown.block_splitter import BlockSplitter
from readers.embedded_pictures import leave_out_pictures
from readers.errors import ReaderError
from readers.text_decoding import decode
from tests.support.hostile_texts import hostile_texts

SECRETS = ("sk-0123456789abcdefABCDEF", "0123456789abcdef0123456789abcdef")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def split_thinking(text: str) -> None:
    splitter = ThinkTagSplitter()
    for at in range(0, len(text), 64):
        splitter.feed(text[at : at + 64])
    splitter.finish()


def redact_stream(text: str) -> None:
    redactor = StreamRedactor(SECRETS)
    for at in range(0, len(text), 64):
        redactor.feed(text[at : at + 64])
    redactor.finish()


def split_growing(text: str) -> None:
    splitter = BlockSplitter()
    for at in range(0, len(text), 64):
        splitter.feed(text[at : at + 64])


def decode_events(text: str) -> None:
    decoder = SSEDecoder()
    events = decoder.feed(text.encode(errors="replace")) + decoder.finish()
    for _name, data in events:
        parse_event(data)


def explain_error(text: str) -> None:
    body = parse_error_body(400, text.encode(errors="replace"))
    to_provider_error(body, {}, provider="a", model="b", secrets=SECRETS, now=NOW)
    finish_of(body.code)


FUNCTIONS: dict[str, Callable[[str], object]] = {
    "messages of models": sanitize.document,
    "messages of users": lambda text: sanitize.document(text, keeps_lines=True),
    "growing messages": lambda text: sanitize.markdown(text, is_growing=True),
    "splitting": split_growing,
    "labels": sanitize.plain_text,
    "titles": title_from,
    "exported messages": self_contained,
    "exported lines": escape_line,
    "export file names": file_stem,
    "names of files": clean_name,
    "fenced files": lambda text: fence_document("a", "b", text),
    "token estimates": estimate_tokens,
    "search terms": tokenize,
    "search queries": parse_query,
    "search snippets": Matcher(parse_query("a b")).snippet,
    "search scores": lambda text: Matcher(parse_query("a b c")).score(text, 1),
    "redaction": lambda text: redact(text, SECRETS),
    "secrets": lambda text: contains_secret(text, SECRETS),
    "redacted replies": redact_stream,
    "thinking": split_thinking,
    "reasoning": without_tags,
    "events": decode_events,
    "errors of providers": explain_error,
    "reasons to finish": finish_of,
    "waits": lambda text: retry_after_seconds({"retry-after": text}, NOW),
    "model names": hides_reasoning,
    "endpoints": parse_base_url,
    "e-mail addresses": lambda text: is_email_listed(text, text),
    "cookies": is_visitor_cookie,
    "words of the manual": terms,
    "text of the manual": plain,
    "text files": lambda text: decode(text.encode(errors="replace")),
    "embedded pictures": leave_out_pictures,
}
TEXTS = hostile_texts()
SIZES = (1000, 4000, 16_000, 50_000, 200_000)  # characters
PROBE = 50_000
MAX_EXPONENT = 1.5


def seconds(function: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    with suppress(ParleyError, ReaderError, ValueError):  # a refusal takes time too
        function(text)
    return time.process_time() - started


def exponent(function: Callable[[str], object], make: Callable[[int], str]) -> float:
    """Return the exponent of the time over the size of the text, 0 if the time is negligible.

    Ends before the largest size once the time is long enough to measure the exponent.
    """
    measured: list[tuple[int, float]] = []
    if seconds(function, make(PROBE)) < 0.02:  # even quadratic growth would end below 0.4 s
        return 0.0
    for size in SIZES:
        took = seconds(function, make(size))
        if took > 0.02:
            measured.append((size, took))
        if took > 0.15 and len(measured) > 2:
            break
    if len(measured) < 2:
        return 0.0
    (first, before), (last, after) = measured[0], measured[-1]
    return math.log(after / before) / math.log(last / first)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_is_short_for_hostile_texts(name: str) -> None:
    slow = {text: seconds(FUNCTIONS[name], make(4000)) for text, make in TEXTS.items()}
    assert {text: took for text, took in slow.items() if took > 0.5} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_time_is_linear_to_200_000_characters(name: str) -> None:
    function = FUNCTIONS[name]
    slow = [text for text, make in TEXTS.items() if exponent(function, make) > MAX_EXPONENT]
    # Other processes disturb short measurements, so a text has to fail three times.
    for _ in range(2):
        slow = [text for text in slow if exponent(function, TEXTS[text]) > MAX_EXPONENT]
    assert slow == []
