"""Remove API keys and other secrets from text that is shown or logged."""

from __future__ import annotations

import re

_KEYS = re.compile(
    r"""(?x)
    (?<![A-Za-z0-9])(?:                                   # known key prefixes
        sk-[\w\-*.…]{6,} | (?:sk|pk|rk)_(?:live|test)_\w{8,} | (?:gsk_|AIza)[\w\-*.…]{8,}
      | (?:xai|pplx|nvapi|glpat)-[\w\-*]{8,} | AKIA[0-9A-Z]{12,} | eyJ[\w\-]{8,}\.[\w\-.]{8,}
      | (?:tgp_v1|hf|fw|fpk|r8|gh[opsu]|github_pat|key)[_-](?=\D{0,40}\d)[\w\-]{16,}
    )
    | (?<=://)[^\s/@:]{1,200}:[^\s/@]{1,500}(?=@)            # user name and password in a URL
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
_AFTER_KEYWORD = re.compile(
    r"(?i)(\b(?:bearer|basic|api[-_ ]key(?: provided)?)[:=]?\s{1,3}[\"']?)([\w\-.~+/*]{6,}=*)"
)
_RUN = re.compile(r"(?<![\w\-])[A-Za-z0-9_\-]{32,}")
_ENCODED = re.compile(r"(?i)\\u00([0-9a-f]{2})|\\x([0-9a-f]{2})|%([0-9a-f]{2})|&#x([0-9a-f]{2});")
_DECIMAL = re.compile(r"&#(\d{2,3});")
_NOISE = re.compile(r"\\[nrt/]|[^A-Za-z0-9]")
_REDACTED = "[redacted]"
_MAX_INPUT = 20_000  # characters; the rest is cut off
_MIN_DISGUISED = 12  # characters; a shorter secret would match in ordinary text


def redact(text: str, secrets: tuple[str, ...] = (), max_length: int = 2000) -> str:
    """Return `text` without `secrets` and anything that looks like a key, cut to `max_length`.

    Pass the length here instead of cutting the text before: half a secret is not recognized.
    """
    text = text[:_MAX_INPUT]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, _REDACTED)
    if _contains_disguised(text, secrets):
        return _REDACTED
    text = _KEYS.sub(_REDACTED, text)
    text = _NAMED.sub(rf"\1{_REDACTED}", text)
    text = _AFTER_KEYWORD.sub(_redact_unless_word, text)
    return _RUN.sub(_redact_if_random, text)[:max_length]


def looks_like_key(text: str) -> bool:
    """Return whether `text` contains what looks like an API key, a token or a password."""
    return redact(text, max_length=_MAX_INPUT) != text[:_MAX_INPUT]


def contains_secret(text: str, secrets: tuple[str, ...]) -> bool:
    """Return whether `text` contains one of `secrets` that looks like a key."""
    return _contains_disguised(text, tuple(_like_keys(secrets)))


def _like_keys(secrets: tuple[str, ...]) -> list[str]:
    """Return the secrets that look random; a plain word would match in ordinary text."""
    return [each for each in secrets if len(each) >= 16 and re.search(r"\d", each)]


def _contains_disguised(text: str, secrets: tuple[str, ...]) -> bool:
    """Return whether `text` contains a secret that is escaped, in another case or broken up."""
    needles = [_squeezed(each) for each in secrets if len(each) >= _MIN_DISGUISED]
    for _ in range(3):  # a gateway may quote the escaped response of another server
        squeezed = _squeezed(text)
        if any(each in squeezed for each in needles if each):
            return True
        plain = _DECIMAL.sub(lambda code: chr(int(code[1]) % 256), text)
        plain = _ENCODED.sub(lambda code: chr(int(next(filter(None, code.groups())), 16)), plain)
        if plain == text:
            return False
        text = plain
    return False


def _squeezed(text: str) -> str:
    return _NOISE.sub("", text).lower()


def _redact_unless_word(match: re.Match[str]) -> str:
    words, value = match.groups()
    is_word = len(value) < 20 and not any(c.isdigit() or c == "*" for c in value)
    return match.group() if is_word else words + _REDACTED


def _redact_if_random(match: re.Match[str]) -> str:
    """Redact a run that contains a long mixed stretch; names have hyphens between short words.

    Request ids ("req_…") are kept, because the provider's support asks for them.
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


class StreamRedactor:
    """Incremental redaction; text that may be the start of a secret is held back.

    Covers only secrets that look like a key: redacting a plain word would damage ordinary replies.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = _like_keys(secrets)
        self._buffer = ""

    def feed(self, text: str) -> str:
        if not self._secrets:
            return text
        text = self._buffer + text
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        keep = max(_overlap(text, secret) for secret in self._secrets)
        self._buffer = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """Return the text that was held back."""
        rest, self._buffer = self._buffer, ""
        return rest


def _overlap(text: str, secret: str) -> int:
    """Return the length of the longest suffix of `text` that begins `secret`."""
    for size in range(min(len(text), len(secret) - 1), 0, -1):
        if text[-size] == secret[0] and text.endswith(secret[:size]):
            return size
    return 0
