"""Patch AppSession so that queued forward messages survive a rerun.

Upstream: streamlit/streamlit#9381 (the queue is also cleared before fragment runs) and the race
described in #9921 (events of a replaced ScriptRunner are ignored).
Symptoms:
- `_clear_queue` drops what has not been sent when the next run starts. If that is a fragment run,
  the rest of the page is never sent: a price was missing.
- The container of a fragment is dropped, but not the elements that are sent as a reference to the
  browser's cache. They are then put into the element at that position, and the page goes blank.
- A request that arrives while a run ends replaces its runner; the last messages are ignored.
Versions: since 1.39, verified on 1.67; tests/streamlit_patches/test_rerun_queue.py reproduces it.

After the toolbar's Stop, or when the connection is lost, Streamlit's behaviour is kept: elements
for a disconnected browser are worthless, and a run that does not end must not block the next.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import _update_script_finished_message
from streamlit.runtime.scriptrunner import RerunData, ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

from pages.streamlit_patches.replacement import Replacement

_request_rerun = AppSession.request_rerun
_create_scriptrunner = AppSession._create_scriptrunner
_request_script_stop = AppSession.request_script_stop
_handle_event = AppSession._handle_scriptrunner_event_on_event_loop
_clear_queue = AppSession._clear_queue
_EVENT_PARAMETERS = (
    "sender",
    "event",
    "forward_msg",
    "exception",
    "client_state",
    "page_script_hash",
    "fragment_ids_this_run",
    "pages",
    "run_descriptor",
)

_pending: WeakKeyDictionary[AppSession, ScriptRequests] = WeakKeyDictionary()
_stopped_sessions: WeakSet[AppSession] = WeakSet()  # until their next run of the whole page
_stopped_runners: WeakSet[Any] = WeakSet()


def replacements(complete_run_key: str) -> list[Replacement]:
    """`complete_run_key` is removed from the session state when a run follows without a pause.

    The browser may then apply both runs in one step and never show the state between them.
    """
    handle_event = _handle_events_to_the_end(complete_run_key)
    return [
        Replacement(AppSession, "request_rerun", ("client_state",), _request_existing_fragment),
        Replacement(AppSession, "_create_scriptrunner", ("initial_rerun_data",), _create_after_end),
        Replacement(AppSession, "request_script_stop", (), _stop_without_waiting),
        Replacement(
            AppSession,
            "_handle_scriptrunner_event_on_event_loop",
            _EVENT_PARAMETERS,
            handle_event,
        ),
        Replacement(AppSession, "_clear_queue", ("fragment_ids_this_run",), _keep_queue),
    ]


def _request_existing_fragment(session: AppSession, state: ClientState | None) -> None:
    """Rerun the whole page when a fragment is requested that the page no longer has."""
    if state is not None and state.fragment_id and not state.is_auto_rerun:
        is_current_page = state.page_script_hash in ("", session.page_script_hash)
        if is_current_page and not session.has_fragment(state.fragment_id):
            state.fragment_id = ""
    _request_rerun(session, state)


def _create_after_end(session: AppSession, data: RerunData) -> None:
    """Postpone the next runner until the current one has sent its last event."""
    _pending.setdefault(session, ScriptRequests()).request_rerun(data)
    if session._scriptrunner is None or session._scriptrunner in _stopped_runners:
        _create_pending(session)


def _create_pending(session: AppSession) -> None:
    requests = _pending.pop(session)
    if session._state is not AppSessionState.SHUTDOWN_REQUESTED:
        _create_scriptrunner(session, requests.on_scriptrunner_ready().rerun_data)


def _stop_without_waiting(session: AppSession) -> None:
    _stopped_sessions.add(session)
    if session._scriptrunner is not None:
        _stopped_runners.add(session._scriptrunner)
    _request_script_stop(session)


def _handle_events_to_the_end(complete_run_key: str) -> Callable[..., None]:
    def handle_event(
        session: AppSession, sender: Any, event: ScriptRunnerEvent, *payload: Any
    ) -> None:
        _handle_event(session, sender, event, *payload)
        has_ended = event is ScriptRunnerEvent.SHUTDOWN and session._scriptrunner is None
        if not has_ended or session not in _pending:
            return
        with contextlib.suppress(KeyError):
            del session._session_state[complete_run_key]
        try:
            _create_pending(session)
        except RuntimeError as error:  # no thread could be started
            session.handle_backmsg_exception(error)

    return handle_event


def _keep_queue(session: AppSession, fragment_ids_this_run: list[str] | None = None) -> None:
    """Keep the queued messages and mark the runs before this one as superseded.

    Composing is reset so that the new run's elements do not replace queued ones. A superseded
    run's end does not make the browser remove elements.
    """
    if fragment_ids_this_run is None and session in _stopped_sessions:
        _stopped_sessions.discard(session)
        _clear_queue(session, None)
        return
    queue = session._browser_queue
    for message in queue._queue:
        _update_script_finished_message(message, fragment_ids_this_run is not None)
    queue._delta_index_map = {}
