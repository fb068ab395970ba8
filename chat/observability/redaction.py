"""Takes what looks like a key out of texts that people or logs will see."""

from __future__ import annotations

import re

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
_ENCODED = re.compile(r"(?i)\\u00([0-9a-f]{2})|\\x([0-9a-f]{2})|%([0-9a-f]{2})|&#x([0-9a-f]{2});")
_DECIMAL = re.compile(r"&#(\d{2,3});")
_NOISE = re.compile(r"\\[nrt/]|[^A-Za-z0-9]")
_REDACTED = "[redacted]"
_LONGEST = 20_000  # characters that are looked at; nobody reads that far
_HIDDEN = 12  # a shorter secret is not looked for in disguise: it would be found in any text


def redact(text: str, secrets: tuple[str, ...] = (), most: int = 2000) -> str:
    """`text` without what looks like a key, nor any of `secrets`; at most `most` characters.

    Whoever cuts a text has to do it here: half a secret is not recognised.
    """
    text = text[:_LONGEST]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, _REDACTED)
    if _holds_in_disguise(text, secrets):
        return _REDACTED
    text = _KEYS.sub(_REDACTED, text)
    text = _NAMED.sub(rf"\1{_REDACTED}", text)
    text = _AFTER_A_WORD.sub(_redact_unless_a_word, text)
    return _RUN.sub(_redact_if_random, text)[:most]


def holds(text: str, secrets: tuple[str, ...]) -> bool:
    """Whether a name, say, has one of them in it that looks like a key."""
    return _holds_in_disguise(text, tuple(_like_keys(secrets)))


def _like_keys(secrets: tuple[str, ...]) -> list[str]:
    """Those that are no words, which would be found in any text."""
    return [each for each in secrets if len(each) >= 16 and re.search(r"\d", each)]


def _holds_in_disguise(text: str, secrets: tuple[str, ...]) -> bool:
    """Whether a secret is there after all: escaped, in other case, or broken into pieces."""
    wanted = [_squeezed(each) for each in secrets if len(each) >= _HIDDEN]
    for _ in range(3):  # a server may quote what another one has quoted
        squeezed = _squeezed(text)
        if any(each in squeezed for each in wanted if each):
            return True
        plain = _DECIMAL.sub(lambda code: chr(int(code[1]) % 256), text)
        plain = _ENCODED.sub(lambda code: chr(int(next(filter(None, code.groups())), 16)), plain)
        if plain == text:
            return False
        text = plain
    return False


def _squeezed(text: str) -> str:
    return _NOISE.sub("", text).lower()


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


class StreamRedactor:
    """Takes secrets out of a text that comes in pieces; a piece that may begin one waits.

    Only what looks like a key: a password that is a word would be missed in any reply.
    """

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = _like_keys(secrets)
        self._held = ""

    def feed(self, text: str) -> str:
        if not self._secrets:
            return text
        text = self._held + text
        for secret in self._secrets:
            text = text.replace(secret, _REDACTED)
        waits = max(_begun(text, secret) for secret in self._secrets)
        self._held = text[len(text) - waits :]
        return text[: len(text) - waits]

    def finish(self) -> str:
        """What waited and came to nothing."""
        held, self._held = self._held, ""
        return held


def _begun(text: str, secret: str) -> int:
    """How many of the last characters are the first ones of a secret."""
    for size in range(min(len(text), len(secret) - 1), 0, -1):
        if text[-size] == secret[0] and text.endswith(secret[:size]):
            return size
    return 0
