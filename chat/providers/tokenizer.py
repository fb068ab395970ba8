"""Count tokens: exactly when tiktoken's rank file is at hand, as an estimate when it is not.

Nothing here ever opens a connection: the rank file is looked for where tiktoken itself keeps it,
checked, and handed to tiktoken as bytes we already hold. Counting never waits for that either;
until `Tokenizer.load` has run somewhere in the background, counts are estimates and say so.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from chat.domain.token_estimate import TokenCount, estimate_tokens

if TYPE_CHECKING:
    from tiktoken import Encoding

log = logging.getLogger(__name__)

MAX_EXACT_CHARACTERS = 200_000  # tiktoken's time and stack can explode on longer adversarial text

# The same facts as in tiktoken_ext.openai_public, whose own function would download.
RANKS_URL = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
RANKS_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
RANKS_FILE_NAME = hashlib.sha1(RANKS_URL.encode(), usedforsecurity=False).hexdigest()
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
RANKS_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        + _CONTRACTION,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        + _CONTRACTION,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)


class Tokenizer:
    """Counts the tokens of a text, at once, in any thread.

    `cache_dir` is looked in before tiktoken's usual places; `sha256` is what the rank file's
    content must hash to.
    """

    def __init__(self, cache_dir: str | None = None, *, sha256: str = RANKS_SHA256) -> None:
        self._cache_dir = cache_dir
        self._sha256 = sha256
        self._encoding: Encoding | None = None

    @property
    def is_exact(self) -> bool:
        return self._encoding is not None

    def count(self, text: str) -> TokenCount:
        """Tokens of `text`, without the wrapping of its message."""
        encoding = self._encoding
        if encoding is None or len(text) > MAX_EXACT_CHARACTERS:
            return TokenCount(estimate_tokens(text), is_exact=False)
        return TokenCount(len(encoding.encode_ordinary(text)), is_exact=True)

    def load(self) -> bool:
        """Make counts exact if a sound rank file is at hand; takes about a second of work."""
        for path in self._places():
            ranks = _read_ranks(path, self._sha256)
            if ranks:
                import tiktoken

                self._encoding = tiktoken.Encoding(
                    "o200k_base", pat_str=RANKS_PATTERN, mergeable_ranks=ranks, special_tokens={}
                )
                log.info("tokens are counted exactly, with %s", path)
                return True
        log.info("tokens are estimated: no rank file is at hand")
        return False

    def _places(self) -> Iterator[Path]:
        folders = (
            self._cache_dir,
            os.environ.get("TIKTOKEN_CACHE_DIR"),
            os.environ.get("DATA_GYM_CACHE_DIR"),
            os.path.join(tempfile.gettempdir(), "data-gym-cache"),
        )
        for folder in dict.fromkeys(folders):
            if folder:
                yield Path(folder).expanduser() / RANKS_FILE_NAME


def _read_ranks(path: Path, sha256: str) -> dict[bytes, int] | None:
    """The ranks in the file at `path`; None when it is not there or not what it should be."""
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        log.warning("the rank file %s cannot be read: %s", path, error.strerror)
        return None
    if content is None:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        log.warning("the rank file %s is damaged: it is ignored", path)
        return None
    pairs = (line.split() for line in content.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}
