"""Install all patches of Streamlit, once per process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from pages.streamlit_patches.media_owners import MediaOwners

SUPPORTED = "1.67"
_REMEDY = "Install the version that requirements.txt names: pip install -r requirements.txt"


@dataclass(frozen=True)
class Patches:
    """The result of `install`. Without patches no media file is served: its owner is unknown."""

    media_owners: MediaOwners
    problem: str = ""  # the sentence for people when nothing was installed


_patches: Patches | None = None


def install(visitor_cookie: Callable[[], str], cookie_name: str, complete_run_key: str) -> Patches:
    """Install the patches, or none of them if Streamlit is not the version they were written for.

    `visitor_cookie` returns the cookie of the browser that the current script runs for.
    `cookie_name` is the name of this cookie in the headers of a WebSocket.
    `complete_run_key` is the session state key that marks a page as drawn to its end.
    Never raises: a mismatch is returned as `problem`. Later calls change nothing.
    """
    global _patches
    if _patches is None:
        owners = MediaOwners(visitor_cookie)
        _patches = Patches(owners, _install(owners, cookie_name, complete_run_key))
    return _patches


def problem() -> str:
    """Return why Parley cannot run on this Streamlit, as a sentence; empty if it can."""
    return _patches.problem if _patches else ""


def _install(owners: MediaOwners, cookie_name: str, complete_run_key: str) -> str:
    if not f"{st.__version__}.".startswith(f"{SUPPORTED}."):
        return f"Parley needs Streamlit {SUPPORTED}, but {st.__version__} is installed. {_REMEDY}"
    try:
        # Imported here: another version may lack the private modules that these import.
        from pages.streamlit_patches import (
            atomic_callbacks,
            media_ownership,
            message_filter,
            pages_directory,
            rerun_queue,
            secrets_errors,
            session_ownership,
            websocket_messages,
        )

        replacements = [
            *atomic_callbacks.replacements(),
            *media_ownership.replacements(owners),
            *message_filter.replacements(),
            *rerun_queue.replacements(complete_run_key),
            *secrets_errors.replacements(),
            *session_ownership.replacements(cookie_name),
            *websocket_messages.replacements(),
        ]
        changed = [str(each) for each in replacements if not each.has_expected_signature]
    except (ImportError, AttributeError) as error:
        changed = [str(error)]
    if changed:
        return (
            f"Parley does not work with this build of Streamlit {st.__version__}, which differs "
            f"from the release in {', '.join(changed)}. {_REMEDY}"
        )
    for each in replacements:
        each.apply()
    pages_directory.ignore_pages_directory()
    return ""
