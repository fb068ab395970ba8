"""Every error a person can meet, with the sentence they read.

    ParleyError
    ├── NotFound            it does not exist, or it is somebody else's: one answer for both
    ├── Refused             the person's input or the moment is wrong; nothing was called
    │   ├── EmptyMessage
    │   ├── MessageTooLong
    │   ├── ReplyRunning
    │   └── NothingToAnswer
    ├── StoreFailed         the database did not take it: busy, gone, full
    ├── ServiceClosed       the process is about to end
    ├── SettingsError       the configuration is wrong; lists every problem
    └── ProviderError       the model's side; `code` names the case
        ├── WrongKey  NoPermission  UnknownModel  ContextTooLong  RefusedParameter  BadRequest
        ├── NoCredit  RateLimited  ContentFiltered
        ├── ProviderDown  NameNotFound  TlsFailed  ConnectionRefused  ConnectionLost
        ├── FirstTokenTimeout  Stalled  CutOff  Unfinished  EmptyReply  OnlyThinking  Malformed
        └── ModelNotLoaded

`str(error)` is the sentence. `details` may hold what the provider said, keys redacted.
"""

from __future__ import annotations

import re
from datetime import datetime

_KEYS = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9])(?:                                   # what begins as known keys begin
        sk-[\w\-*.…]{6,} | (?:sk|pk|rk)_(?:live|test)_\w{8,} | (?:gsk_|AIza)[\w\-*.…]{8,}
      | (?:xai|pplx|nvapi|glpat)-[\w\-*]{8,} | AKIA[0-9A-Z]{12,} | eyJ[\w\-]{8,}\.[\w\-.]{8,}
      | (?:tgp_v1|hf|fw|fpk|r8|gh[opsu]|github_pat|key)[_-](?=\D{0,40}\d)[\w\-]{16,}
    )
    | (?<=://)[^\s/@:]{1,200}:[^\s/@]{1,500}(?=@)            # a name and a password in an address
    """
)
_NAMED = re.compile(
    r"""(?xi)
    ( \b(?:api[-_]?key|access[-_]?token|client[-_]?secret|password)["']?\s{0,3}[=:]\s{0,3}["']
    | \b(?:api[-_]?key|access[-_]?token|client[-_]?secret|password)=
    | [?&](?:key|token|sig|signature)= )
    [^\s"'&,;)]{4,}
    """
)
_AFTER_A_WORD = re.compile(
    r"(?i)(\b(?:bearer|basic|api[-_ ]key(?: provided)?)[:=]?\s{1,3}[\"']?)([\w\-.~+/*]{6,}=*)"
)
_RUN = re.compile(r"(?<![\w\-])[A-Za-z0-9_\-]{32,}")
_REDACTED = "[redacted]"


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """`text` without what looks like a key, nor any of `secrets`; at most 2,000 characters."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, _REDACTED)
    text = _KEYS.sub(_REDACTED, text)
    text = _NAMED.sub(rf"\1{_REDACTED}", text)
    text = _AFTER_A_WORD.sub(_redact_unless_a_word, text)
    return _RUN.sub(_redact_if_random, text)[:2000]


def _redact_unless_a_word(match: re.Match[str]) -> str:
    words, value = match.groups()
    is_word = len(value) < 20 and not any(c.isdigit() or c == "*" for c in value)
    return match.group() if is_word else words + _REDACTED


def _redact_if_random(match: re.Match[str]) -> str:
    """Names are words and numbers between hyphens; keys have a long stretch without any.

    Identifiers of requests ("req_…") are kept: they are what support asks for.
    """
    run = match.group()
    if run.startswith(("req_", "req-")):
        return run
    for stretch in re.split("[-_]", run):
        has_digit, has_letter = re.search(r"\d.*\d", stretch), re.search("[A-Za-z]", stretch)
        is_mixed = not (stretch.islower() or stretch.isupper())
        if has_digit and has_letter and len(stretch) >= (16 if is_mixed else 32):
            return _REDACTED
    return run


class ParleyError(Exception):
    code = "error"
    sentence = "Something went wrong. Nothing of yours was lost; please try again."

    def __init__(self, sentence: str | None = None, *, details: str = "") -> None:
        self.sentence = sentence or self.sentence
        self.details = redact(details)
        super().__init__(self.sentence)


class NotFound(ParleyError):
    code = "not_found"
    sentence = "This conversation or message does not exist (any more)."


class Refused(ParleyError):
    code = "refused"


class EmptyMessage(Refused):
    code = "empty_message"
    sentence = "There is nothing to send yet: the message is empty."


class MessageTooLong(Refused):
    code = "message_too_long"

    def __init__(self, tokens: int, limit: int, *, is_exact: bool) -> None:
        about = "" if is_exact else "about "
        super().__init__(
            f"This message has {about}{tokens:,} tokens; at most {limit:,} can be sent. "
            "It is kept below: shorten it and send it again."
        )


class ReplyRunning(Refused):
    code = "reply_running"
    sentence = "A reply is still being written here. Wait for it or stop it, then go on."


class NothingToAnswer(Refused):
    code = "nothing_to_answer"
    sentence = "There is no question left to answer here. Undo the deletion or ask again."


class StoreFailed(ParleyError):
    code = "store_failed"
    sentence = (
        "The history cannot be read or written right now. Nothing was lost: "
        "try again in a moment. If it stays, look at the disk and the database."
    )


class ServiceClosed(ParleyError):
    code = "service_closed"
    sentence = "Parley is being shut down. Load the page again in a moment."


class SettingsError(ParleyError):
    code = "settings"

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The configuration needs attention: " + "; ".join(problems))


class ProviderError(ParleyError):
    """The model's side failed.

    Raised while streaming: the text that came before it is kept by whoever reads the stream.
    `provider` is the label people know; `retry_at` is set when the provider named a time.
    """

    code = "provider_error"
    template = "{provider} could not answer. Try again, or choose another model."

    def __init__(
        self,
        provider: str = "The provider",
        *,
        details: str = "",
        retry_at: datetime | None = None,
        secrets: tuple[str, ...] = (),
        **values: object,
    ) -> None:
        self.retry_at = retry_at
        super().__init__(
            redact(self.template.format(provider=provider, **values), secrets),
            details=redact(details, secrets),
        )


class WrongKey(ProviderError):
    code = "wrong_key"
    template = (
        "{provider} did not accept the API key. Check the key in the configuration, then retry."
    )


class NoPermission(ProviderError):
    code = "no_permission"
    template = (
        "The API key may not use this model at {provider}. Choose another model, "
        "or have the key's permissions widened."
    )


class UnknownModel(ProviderError):
    code = "unknown_model"
    template = "{provider} does not know the model “{model}”. Choose another one in the sidebar."


class ContextTooLong(ProviderError):
    code = "context_too_long"
    template = (
        "The conversation is longer than the model can read. Clear the context in the sidebar, "
        "shorten the message, or choose a model with a larger window."
    )


class RefusedParameter(ProviderError):
    code = "refused_parameter"
    template = (
        "{provider} does not accept one of the settings for this model. "
        "Set the temperature and the reply length back, or choose another model."
    )


class BadRequest(ProviderError):
    code = "bad_request"
    template = "{provider} could not read the request. The details say why."


class NoCredit(ProviderError):
    code = "no_credit"
    template = (
        "The account at {provider} has no credit left. Top it up, or choose another provider."
    )


class RateLimited(ProviderError):
    code = "rate_limited"
    template = "{provider} is receiving too many requests. Wait a moment, then retry."


class ContentFiltered(ProviderError):
    code = "content_filtered"
    template = "{provider}'s content filter ended this reply. Try to put the question differently."


class ProviderDown(ProviderError):
    code = "provider_down"
    template = "{provider} has a problem on its side. Retry in a moment, or choose another model."


class NameNotFound(ProviderError):
    code = "name_not_found"
    template = (
        "The address of {provider} could not be found. "
        "Check the network and the base URL in the configuration."
    )


class TlsFailed(ProviderError):
    code = "tls_failed"
    template = (
        "No secure connection to {provider} could be made: its certificate was not accepted. "
        "Check the base URL and the machine's certificates."
    )


class ConnectionRefused(ProviderError):
    code = "connection_refused"
    template = "{provider} cannot be reached. Is it running, and is the base URL right?"


class ConnectionLost(ProviderError):
    code = "connection_lost"
    template = "The connection to {provider} failed. Check the network, then retry."


class FirstTokenTimeout(ProviderError):
    code = "first_token_timeout"
    template = (
        "{provider} did not begin to answer within {seconds:g} s. Retry, or choose another model."
    )


class Stalled(ProviderError):
    code = "stalled"
    template = (
        "{provider} went silent for {seconds:g} s in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class CutOff(ProviderError):
    code = "cut_off"
    template = (
        "The connection to {provider} broke in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class Unfinished(ProviderError):
    code = "unfinished"
    template = (
        "{provider} ended the reply without saying that it was complete. "
        "What came is kept: continue or retry."
    )


class EmptyReply(ProviderError):
    code = "empty_reply"
    template = "{provider} sent an empty reply. Retry, or choose another model."


class OnlyThinking(ProviderError):
    code = "only_thinking"
    template = (
        "The model used its whole reply for thinking and wrote no answer. "
        "Raise the reply length in the sidebar, then retry."
    )


class Malformed(ProviderError):
    code = "malformed"
    template = (
        "{provider} sent something that is not a reply. "
        "Check that the base URL is that of an OpenAI-compatible API."
    )


class ModelNotLoaded(ProviderError):
    code = "model_not_loaded"
    template = (
        "The local model could not be loaded. Check that LOCAL_MODEL names a complete GGUF file "
        "that fits into memory."
    )
