"""What a run draws reaches the browser, all of it and in order, whatever is asked meanwhile.

Streamlit throws away what is not sent yet when the next run begins, and what a run has still to
tell when a request comes as it ends. If the next run draws only a part of the page, the rest never
comes: a price is missing. Of a part that is drawn again it throws away the container, but not what
it sends in short because the browser knows it; that then comes into whatever stood there before,
and the page goes blank.

After the toolbar's Stop, or when the connection is gone, all is as Streamlit has it: what was drawn
for a browser that is not there is worth nothing, and a run that does not end holds up nobody.
"""

from __future__ import annotations

import contextlib
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.forward_msg_queue import _update_script_finished_message
from streamlit.runtime.scriptrunner import RerunData, ScriptRunnerEvent
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequests

from pages.session import tab_state

_ask = AppSession.request_rerun
_begin = AppSession._create_scriptrunner
_stop = AppSession.request_script_stop
_hear = AppSession._handle_scriptrunner_event_on_event_loop
_clear = AppSession._clear_queue
_waiting: WeakKeyDictionary[AppSession, ScriptRequests] = WeakKeyDictionary()
_stopped: WeakSet[AppSession] = WeakSet()  # and no whole run has begun since
_told: WeakSet[Any] = WeakSet()  # the runners that were to stop


def make_whole() -> None:
    """From now on nothing that was drawn is thrown away, and every run is heard to its end."""
    session: Any = AppSession
    session.request_rerun = _ask_for_what_there_is
    session._create_scriptrunner = _begin_after_the_end
    session.request_script_stop = _stop_at_once
    session._handle_scriptrunner_event_on_event_loop = _hear_to_the_end
    session._clear_queue = _clear_nothing


def _ask_for_what_there_is(session: AppSession, asked: ClientState | None) -> None:
    """Who asks for a part that this page has no more is given all of the page."""
    if asked is not None and asked.fragment_id and not asked.is_auto_rerun:
        is_here = asked.page_script_hash in ("", session.page_script_hash)
        if is_here and not session.has_fragment(asked.fragment_id):
            asked.fragment_id = ""
    _ask(session, asked)


def _begin_after_the_end(session: AppSession, asked: RerunData) -> None:
    """A runner that is replaced is not listened to, though it may still have much to tell."""
    _waiting.setdefault(session, ScriptRequests()).request_rerun(asked)
    if session._scriptrunner is None or session._scriptrunner in _told:
        _begin_what_waits(session)


def _begin_what_waits(session: AppSession) -> None:
    waiting = _waiting.pop(session)
    if session._state is not AppSessionState.SHUTDOWN_REQUESTED:
        _begin(session, waiting.on_scriptrunner_ready().rerun_data)


def _stop_at_once(session: AppSession) -> None:
    _stopped.add(session)
    if session._scriptrunner is not None:
        _told.add(session._scriptrunner)
    _stop(session)


def _hear_to_the_end(
    session: AppSession, sender: Any, event: ScriptRunnerEvent, *more: Any
) -> None:
    _hear(session, sender, event, *more)
    is_over = event is ScriptRunnerEvent.SHUTDOWN and session._scriptrunner is None
    if not is_over or session not in _waiting:
        return
    with contextlib.suppress(KeyError):
        del session._session_state[tab_state.IN_VIEW]  # the next run follows at once
    try:
        _begin_what_waits(session)
    except RuntimeError as error:  # there is no thread for it
        session.handle_backmsg_exception(error)


def _clear_nothing(session: AppSession, fragments: list[str] | None = None) -> None:
    """Only see to it that the new run's elements do not go in the place of what is waiting.

    And that the browser clears away nothing at the end of a run that is not the last.
    """
    if fragments is None and session in _stopped:
        _stopped.discard(session)
        _clear(session, None)
        return
    queue = session._browser_queue
    for message in queue._queue:
        _update_script_finished_message(message, fragments is not None)
    queue._delta_index_map = {}
