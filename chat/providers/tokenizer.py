"""Token counts: exact with tiktoken's rank file, otherwise estimated.

Opens no network connection. The rank file is searched for in tiktoken's cache folders, verified by
its hash and passed to tiktoken from memory. Counting does not wait for it: until `Tokenizer.load`
has run in the background, counts are estimates and marked as such.
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

MAX_EXACT_CHARACTERS = (
    200_000  # longer adversarial text can take tiktoken minutes or overflow its stack
)

# The same values as in tiktoken_ext.openai_public; its function would download the file.
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


def cache_dir_problem(folder: str | None) -> str | None:
    """Return why the configured folder has no effect; None if it exists or is not set."""
    if not folder or Path(folder).expanduser().is_dir():
        return None
    return f"TIKTOKEN_CACHE_DIR: no such folder: {folder}. Token counts are estimates."


class Tokenizer:
    """Counts the tokens of a text. Safe to use from any thread.

    `cache_dir` is searched before tiktoken's own cache folders; `sha256` is the expected hash of
    the rank file.
    """

    def __init__(self, cache_dir: str | None = None, *, sha256: str = RANKS_SHA256) -> None:
        self._cache_dir = cache_dir
        self._sha256 = sha256
        self._encoding: Encoding | None = None

    @property
    def is_exact(self) -> bool:
        return self._encoding is not None

    def count(self, text: str) -> TokenCount:
        """Return the tokens of `text`, without the overhead per message."""
        encoding = self._encoding
        if encoding is None or len(text) > MAX_EXACT_CHARACTERS:
            return TokenCount(estimate_tokens(text), is_exact=False)
        return TokenCount(len(encoding.encode_ordinary(text)), is_exact=True)

    def load(self) -> bool:
        """Load the rank file and return whether a valid one was found; takes about a second."""
        for path in self._candidates():
            ranks = _read_ranks(path, self._sha256)
            if ranks:
                import tiktoken

                self._encoding = tiktoken.Encoding(
                    "o200k_base", pat_str=RANKS_PATTERN, mergeable_ranks=ranks, special_tokens={}
                )
                log.info("token counts are exact, from the rank file %s", path)
                return True
        log.info("token counts are estimates: no rank file found")
        return False

    def _candidates(self) -> Iterator[Path]:
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
    """Return the ranks in the file at `path`; None if it is missing, unreadable or damaged."""
    try:
        content = path.read_bytes() if path.is_file() else None
    except OSError as error:
        log.warning("cannot read the rank file %s: %s", path, error.strerror)
        return None
    if content is None:
        return None
    if hashlib.sha256(content).hexdigest() != sha256:
        log.warning("ignoring the damaged rank file %s", path)
        return None
    pairs = (line.split() for line in content.splitlines() if line)
    return {base64.b64decode(token): int(rank) for token, rank in pairs}
