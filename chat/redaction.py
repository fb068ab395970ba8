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
