"""Treat a secrets file that cannot be read like one that cannot be parsed.

Minimal reproduction: `printf '# gr\\xfc\\xdfe' > .streamlit/secrets.toml; streamlit run app.py`.
Symptom: Streamlit serves pages without a secrets file that is not TOML, but answers every request
with an error if the file is not UTF-8 or its permissions forbid reading. No page can then state
the reason. Checking the file before the start is not enough: Streamlit reads it again after edits.
Versions: 1.67; `Secrets.load_if_toml_exists` catches `StreamlitSecretNotFoundError` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamlit.errors import StreamlitSecretNotFoundError
from streamlit.runtime.secrets import Secrets

from pages.streamlit_patches.replacement import Replacement

_parse = Secrets._parse_toml_file


def replacements() -> list[Replacement]:
    return [Replacement(Secrets, "_parse_toml_file", ("path",), _parse_readable)]


def _parse_readable(secrets: Secrets, path: str) -> tuple[Mapping[str, Any], bool]:
    try:
        return _parse(secrets, path)
    except StreamlitSecretNotFoundError:  # a subclass of OSError
        raise
    except (UnicodeDecodeError, OSError) as error:
        raise StreamlitSecretNotFoundError(
            "Error reading secrets file at {path}: {error}",
            path=path,
            error=type(error).__name__,
            error_id="failed-parsing-secrets-file",
        ) from None
