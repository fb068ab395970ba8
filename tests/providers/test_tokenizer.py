"""Token counts: exact with a valid rank file, otherwise estimated, and never with network access."""

from __future__ import annotations

import base64
import hashlib
import inspect
import re
import socket
import tempfile
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiktoken_ext import openai_public

from chat.domain.token_estimate import TokenCount, estimate_tokens
from chat.providers.tokenizer import (
    MAX_EXACT_CHARACTERS,
    RANKS_FILE_NAME,
    RANKS_PATTERN,
    RANKS_SHA256,
    RANKS_URL,
    Tokenizer,
)

# Each text with its number of o200k_base tokens.
SAMPLES = {
    "english": (
        38,
        "Refreshing the page at any moment shows all the text so far and keeps streaming, with no character missing and none shown twice. If you close the tab, the reply goes on without you.",
    ),
    "python": (
        81,
        'def fit(path, *, max_tokens, system_tokens=0):\n    """The newest whole turns within the budget."""\n    available = max(0, max_tokens - system_tokens)\n    for message in reversed(path):\n        if message.is_deleted or not message.text.strip():\n            continue\n        used += message.tokens + PER_MESSAGE\n    return Fit(turns=tuple(turns), used_tokens=used)\n',
    ),
    "json": (
        116,
        '[{"id": 7919, "name": "anna", "price": 3.25, "is_active": true, "tags": ["a", "long-tag"]}, {"id": 15838, "name": "bob", "price": 6.5, "is_active": true, "tags": ["a", "long-tag"]}, {"id": 23757, "name": "carla", "price": 9.75, "is_active": true, "tags": ["a", "long-tag"]}]',
    ),
    "markdown": (
        51,
        "| Name | Value | Unit |\n|---|---|---|\n| first row | 3.70 | ms |\n| second row | 12.85 | ms |\n\n- **Stop** ends the reply\n- `retry` asks again\n",
    ),
    "log": (
        65,
        "2026-11-21T12:43:07.123Z ERROR [worker-7] connection to 10.0.7.7:5432 refused (attempt 7/60)\n2026-11-21T12:43:08.456Z INFO [worker-7] connected\n",
    ),
    "base64": (
        171,
        "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB1L9RIvNEVUxTveLruM0rfj0WAK1jHDhaXXzOI8d4VFmtvBtMkA/+SNV1tdpcY4BAEl9l2w/j4kSUt26phkV9mGCE/tCLl4r019GWp0RqhrWACeY2thHbFiEbZamq3/KcXlLZxQjFAjRzRNjAetkcvWBor8df9ikvBioJyjgcieced7mprp4wsNvbb1EKJk753ngVAde2uSronrBZxat0Pb",
    ),
    "hex": (
        70,
        "983ab8ac8205f92397f24ea071967fb24e9947f2e0dd908ec726a19c96614840f9da029a2be7358ed206d7d490f14966097b2e8a4f9dc070216ebb7060e4407f",
    ),
    "chinese": (
        109,
        "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的能以人类智能相似的方式做出反应的智能机器。该领域的研究包括机器人、语言识别、图像识别、自然语言处理和专家系统等。人工智能从诞生以来，理论和技术日益成熟，应用领域也不断扩大。请问明天北京的天气怎么样？我想带孩子去公园玩，不知道会不会下雨。",
    ),
    "japanese": (
        80,
        "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。何でも薄暗いじめじめした所でニャーニャー泣いていた事だけは記憶している。コンピューターのプログラミングを勉強しています。よろしくお願いします。",
    ),
    "korean": (
        58,
        "안녕하세요. 오늘은 날씨가 정말 좋네요. 저는 한국어를 공부하고 있습니다. 인공지능은 인간의 학습능력과 추론능력, 지각능력을 인공적으로 구현하려는 컴퓨터 과학의 세부 분야 중 하나이다.",
    ),
    "russian": (
        48,
        "Искусственный интеллект — это свойство искусственных систем выполнять творческие функции, которые традиционно считаются прерогативой человека. Сегодня я пошёл в магазин и купил хлеба, молока и немного сыра.",
    ),
    "arabic": (
        50,
        "الذكاء الاصطناعي هو سلوك وخصائص معينة تتسم بها البرامج الحاسوبية، تجعلها تحاكي القدرات الذهنية البشرية وأنماط عملها. من أهم هذه الخصائص القدرة على التعلم والاستنتاج.",
    ),
    "hindi": (
        46,
        "कृत्रिम बुद्धिमत्ता कंप्यूटर विज्ञान की एक शाखा है जो मशीनों और सॉफ्टवेयर को बुद्धि के साथ विकसित करता है। आज मौसम बहुत अच्छा है और मैं बाज़ार जा रहा हूँ।",
    ),
    "german": (
        56,
        "Künstliche Intelligenz ist ein Teilgebiet der Informatik, das sich mit der Automatisierung intelligenten Verhaltens und dem maschinellen Lernen befasst. Die Donaudampfschifffahrtsgesellschaft veröffentlichte ihre Geschäftsergebnisse überraschend früh.",
    ),
    "vietnamese": (
        44,
        "Trí tuệ nhân tạo là trí tuệ được biểu diễn bởi bất cứ một hệ thống nhân tạo nào. Thuật ngữ này thường dùng để nói đến các máy tính có mục đích không nhất định.",
    ),
    "emoji": (40, "😀😂🤣😍🥰👍🙏🔥🎉🚀 👨‍👩‍👧‍👦 🏳️‍🌈 🇫🇷 👍🏽 ❤️ ✅"),
}


MERGES = (b"he", b"ll", b"hell", b"hello", b" w", b"or")
RANKS = {bytes([byte]): byte for byte in range(256)} | {
    merge: 256 + place for place, merge in enumerate(MERGES)
}
CONTENT = b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_rank_file_and_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("counting tokens must not use the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def put_ranks(folder: Path, content: bytes = CONTENT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RANKS_FILE_NAME).write_bytes(content)
    return folder


def test_counts_are_estimates_without_a_rank_file(tmp_path: Path) -> None:
    tokenizer = Tokenizer(str(tmp_path / "missing"))
    assert not tokenizer.load()
    assert not tokenizer.is_exact
    assert tokenizer.count("hello world") == TokenCount(
        estimate_tokens("hello world"), is_exact=False
    )


def test_counts_are_exact_after_loading_a_valid_rank_file(tmp_path: Path) -> None:
    tokenizer = Tokenizer(str(put_ranks(tmp_path)), sha256=SHA256)
    assert not tokenizer.count("hello world").is_exact
    assert tokenizer.load()
    assert tokenizer.count("hello world") == TokenCount(5, is_exact=True)  # hello| w|or|l|d
    assert tokenizer.count("") == TokenCount(0, is_exact=True)


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_rank_file_is_found_in_the_cache_folders_of_tiktoken(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(put_ranks(tmp_path / "cache")))
    assert Tokenizer(sha256=SHA256).load()


def test_rank_file_is_found_in_the_temporary_folder(tmp_path: Path) -> None:
    put_ranks(tmp_path / "temporary" / "data-gym-cache")
    assert Tokenizer(sha256=SHA256).load()


def test_damaged_rank_file_is_ignored_and_kept(tmp_path: Path) -> None:
    folder = put_ranks(tmp_path, CONTENT[:-20])
    tokenizer = Tokenizer(str(folder), sha256=SHA256)
    assert not tokenizer.load()
    assert not tokenizer.count("hello").is_exact
    assert (folder / RANKS_FILE_NAME).is_file()


def test_valid_rank_file_is_used_after_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(put_ranks(tmp_path / "valid")))
    assert Tokenizer(str(put_ranks(tmp_path / "damaged", b"")), sha256=SHA256).load()


def test_rank_file_constants_match_tiktoken() -> None:
    source = inspect.getsource(openai_public.o200k_base)
    assert RANKS_URL in source
    assert RANKS_SHA256 in source
    assert "|".join(re.findall(r'r"""(.*?)"""', source)) == RANKS_PATTERN
    assert hashlib.sha1(RANKS_URL.encode()).hexdigest() == RANKS_FILE_NAME


@pytest.mark.parametrize("text", ["<|endoftext|>", "a <|endofprompt|> b", "\ud800", "\x00"])
def test_unusual_text_is_counted(text: str, tmp_path: Path) -> None:
    tokenizer = Tokenizer(str(put_ranks(tmp_path)), sha256=SHA256)
    assert tokenizer.count(text).tokens > 0
    tokenizer.load()
    assert tokenizer.count(text).tokens > 0


def test_huge_text_is_estimated_even_with_ranks(tmp_path: Path) -> None:
    tokenizer = Tokenizer(str(put_ranks(tmp_path)), sha256=SHA256)
    tokenizer.load()
    assert tokenizer.count("a" * MAX_EXACT_CHARACTERS).is_exact
    assert not tokenizer.count("a" * (MAX_EXACT_CHARACTERS + 1)).is_exact


@pytest.mark.parametrize("kind", SAMPLES)
def test_estimate_is_close_and_not_too_low(kind: str) -> None:
    true, text = SAMPLES[kind]
    assert 1.0 <= estimate_tokens(text) / true <= 1.7


@pytest.mark.parametrize("kind", SAMPLES)
def test_estimate_of_a_long_text_is_close_to_that_of_a_short_one(kind: str) -> None:
    text = f"{SAMPLES[kind][1]}\n"
    copies = 60_000 // len(text) + 1
    assert 0.9 <= estimate_tokens(text * copies) / (copies * estimate_tokens(text)) <= 1.4


@pytest.mark.parametrize("unit", [" ", "\n", " \n", "\t", "\u3000", "a ", "😀", "é", "0", "!"])
def test_estimate_of_a_long_text_grows_with_its_length(unit: str) -> None:
    first, second = (estimate_tokens(unit * size) for size in (100_000, 200_000))
    assert second >= 1.9 * first > 10_000


@given(st.text())
def test_estimate_is_at_most_the_number_of_bytes(text: str) -> None:
    assert (1 if text else 0) <= estimate_tokens(text) <= len(text.encode("utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["a", "A", " ", "^", "\n", "0", "é", "的", "🙂", "aB", "a-", " \n", "\t\x0b", "x" * 23 + " "],
)
def test_estimate_takes_linear_time(unit: str) -> None:
    small, large = (unit * (size // len(unit)) for size in (100_000, 1_000_000))

    def seconds(text: str) -> float:
        """Return the CPU time of this process, the minimum of three runs."""
        used = []
        for _ in range(3):
            begin = process_time()
            estimate_tokens(text)
            used.append(process_time() - begin)
        return min(used)

    assert seconds(large) < max(40 * seconds(small), 1.0)  # quadratic time would be a factor of 100
