"""Errors: sentences, codes, the manual, and redaction of keys."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from time import process_time

import pytest

from chat import errors
from chat.errors import (
    AttachmentRefused,
    FileRefused,
    MessageTooLong,
    ParleyError,
    ProviderError,
    RateLimited,
    SettingsError,
    UnknownModel,
)
from chat.observability.redaction import redact
from chat.providers.guide.manual import MANUAL_FOLDER
from chat.providers.openai_compatible import speech_errors

# Imported so that its subclasses are among the errors.
assert issubclass(speech_errors.SpeechFailed, ProviderError)

MANUAL = (MANUAL_FOLDER / "errors.md").read_text("utf-8")
HEX = hashlib.sha256(b"parley").hexdigest()
KEYS = {
    "openai": "sk-proj-Ab3dEf6hIj9kLm-nOp_QrStUv",
    "openai, masked by the provider": "sk-abcd1234*********wxyz",
    "anthropic": "sk-ant-api03-AbCdEf123456-_xyz",
    "openrouter": "sk-or-v1-" + HEX,
    "deepseek": "sk-" + HEX[:32],
    "groq": "gsk_AbCdEfGh1234IjKlMnOp5678",
    "mistral": "Ab3dEf6hIj9kLmNoPq2sTuVwXy5z0A1b",
    "gemini": "AIzaSyA-1234567890abcdefGHIJKLMNOPQRSTU",
    "together": HEX,
    "together, newer": "tgp_v1_AbCdEfGh1234-IjKlMnOp5678_qrs",
    "fireworks": "fw_3ZabCDefGHijKLmnOPqrSTuv",
    "xai": "xai-AbCdEfGh1234IjKlMnOp",
    "perplexity": "pplx-" + HEX[:48],
    "nvidia": "nvapi-AbCdEf_Gh1234-IjKl",
    "hugging face": "hf_AbCdEfGhIjKlMnOpQrStUvWxYz12345678",
    "github": "ghp_AbCdEfGhIjKlMnOpQrSt1234567890UvWx",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "stripe-like": "sk_live_AbCdEfGh1234",
    "azure": HEX[:32].upper(),
    "json web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
}
SURROUNDINGS = [
    "{}",
    "Incorrect API key provided: {}. You can find your key at https://example.com/keys.",
    "{{'Authorization': 'Bearer {}'}}",
    "https://example.com/v1/models?key={}&page=2",
    'api_key="{}", model="gpt-4o"',
    "x-api-key={}",
]


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("kind", KEYS)
def test_redact_removes_keys_of_known_formats(kind: str, surroundings: str) -> None:
    key = KEYS[kind]
    clean = redact(surroundings.format(key))
    assert "[redacted]" in clean
    for start in range(len(key) - 7):
        assert key[start : start + 8] not in clean


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer s3cr3t-t0ken",
        "api_key=hunter-two",
        '{"password": "hunter"}',
        "postgresql://parley:hunter@db.example.com/parley",
        "http://host/v1?token=hunter1",
    ],
)
def test_redact_removes_values_named_as_secrets(text: str) -> None:
    clean = redact(text)
    assert "[redacted]" in clean
    assert "hunter" not in clean
    assert "s3cr3t" not in clean


@pytest.mark.parametrize(
    "text",
    [
        "The task-oriented key-value store uses a key_function and key-generation.",
        "sk_buff_head and hf_model_name_or_path and pk_column_definition",
        "Bearer authentication failed; basic information is missing.",
        "The API key: please check it.",
        "test_editing_keeps_the_old_version_and_shows_the_new_one",
        "OpenAICompatibleChatCompletionsProviderFactory.create_streaming_response",
        "meta-llama/Llama-4-Maverick-17B-128E-Instruct-FP8",
        "Meta-Llama-3.1-405B-Instruct-Turbo-2026-01-01-preview",
        "request req_0123456789abcdef0123456789abcdef failed",
        "conversation 00064189a1b2c3d4e5f60718293a4b",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "max_tokens: 4096 is larger than 2048, total_tokens=12345678",
        "https://api.example.com:8443/v1/chat/completions?page=2&size=50",
        "This model's maximum context length is 128000 tokens. However, you requested 131072.",
        "================================================================",
    ],
)
def test_redact_keeps_prose_and_identifiers(text: str) -> None:
    assert redact(text) == text


def test_redact_removes_given_secrets_of_any_format() -> None:
    clean = redact("it was swordfish, swordfish-two or abc", ("swordfish", "swordfish-two", "abc"))
    assert (
        clean == "it was [redacted], [redacted] or abc"
    )  # too short: it would match ordinary words


def test_redact_truncates_long_text() -> None:
    assert len(redact("word " * 10_000)) == 2000


@pytest.mark.slow
@pytest.mark.parametrize(
    "unit",
    ["a-", "a", "A1", "sk-", "://", "a:b@", "bearer ", "api_key=", "key_", "hf_a", "eyJ", "?key="],
)
def test_redact_takes_linear_time(unit: str) -> None:
    small, large = (unit * (size // len(unit)) for size in (30_000, 300_000))

    def seconds(text: str) -> float:
        """Return the least CPU time of three runs, which other load affects least."""
        used = []
        for _ in range(3):
            begin = process_time()
            redact(text)
            used.append(process_time() - begin)
        return min(used)

    assert seconds(large) < max(40 * seconds(small), 1.0)  # quadratic time would be a hundredfold


@pytest.mark.parametrize("kind", list(ProviderError.kinds()), ids=lambda kind: kind.__name__)
def test_provider_error_reads_as_sentences(kind: type[ProviderError]) -> None:
    error = kind("Some AI", model="some-model", seconds=2.5, language="de", reason="odd")
    assert str(error) == error.sentence
    assert str(error)[0].isupper()
    assert str(error).endswith((".", "?"))
    assert "{" not in str(error)


def own_kinds() -> list[type[ParleyError]]:
    """Return the errors of the application, without those that tests define."""
    return [kind for kind in ParleyError.kinds() if kind.__module__.startswith("chat.")]


def test_error_codes_are_unique() -> None:
    codes = Counter(vars(kind)["code"] for kind in own_kinds() if "code" in vars(kind))
    assert [code for code, count in codes.items() if count > 1] == []


def test_package_exports_every_error_of_its_modules() -> None:
    for kind in own_kinds():
        if kind.__module__.startswith(f"{errors.__name__}."):
            assert getattr(errors, kind.__name__) is kind


@pytest.mark.parametrize(
    "kind",
    [kind for kind in own_kinds() if "sentence" in vars(kind)],
    ids=lambda kind: kind.__name__,
)
def test_manual_quotes_the_sentence_of_every_error(kind: type[ParleyError]) -> None:
    # The manual has examples in place of the fields and starts with a capital letter.
    literals = re.split(r"\{[^}]*\}", kind.sentence)
    quote = ".{1,20}?".join(re.escape(literal) for literal in literals)
    assert re.search(f"^> {quote}$", MANUAL, re.MULTILINE), kind.sentence


def test_new_error_needs_no_other_registration() -> None:
    class FileCursed(FileRefused):
        code = "file_cursed"
        sentence = "“{name}” is cursed."
        is_billed = False

    assert str(FileCursed("a.txt")) == "“a.txt” is cursed."
    assert "file_cursed" in AttachmentRefused.codes()
    assert not errors.is_billed("file_cursed")


@pytest.mark.parametrize(
    ("kind", "is_billed"),
    [
        (errors.WrongKey, False),
        (errors.RateLimited, False),
        (errors.ServiceClosed, False),
        (errors.ConnectionLost, True),
        (errors.FirstTokenTimeout, True),
        (errors.ContentFiltered, True),
    ],
)
def test_is_billed_depends_on_the_code(kind: type[ParleyError], is_billed: bool) -> None:
    assert errors.is_billed(kind.code) is is_billed


def test_is_billed_is_true_for_unknown_codes() -> None:
    assert errors.is_billed("code_of_another_version")


def test_unknown_model_names_the_model() -> None:
    assert "“org/Model-7B”" in str(UnknownModel("Some AI", model="org/Model-7B"))


def test_provider_error_redacts_sentence_and_details() -> None:
    error = ProviderError("swordfish", details=f"key {HEX} and swordfish", secrets=("swordfish",))
    assert "swordfish" not in str(error) + error.details
    assert HEX not in error.details


def test_rate_limit_has_no_retry_time_by_default() -> None:
    assert RateLimited("Some AI").retry_at is None


def test_message_too_long_states_tokens_and_limit() -> None:
    exact = str(MessageTooLong(12_345, 8_000, is_exact=True))
    assert "12,345" in exact
    assert "8,000" in exact
    assert "about" not in exact
    assert "about 12,345" in str(MessageTooLong(12_345, 8_000, is_exact=False))


def test_settings_error_lists_every_problem() -> None:
    error = SettingsError(["one is wrong", "so is two"])
    assert "one is wrong; so is two" in str(error)
    assert error.problems == ("one is wrong", "so is two")
