"""What a run draws reaches the browser, all of it and in order, whatever is asked meanwhile.

Streamlit throws away what is not sent yet when the next run begins, and what a run has still to
tell when a request comes as it ends. If the next run draws only a part of the page, the rest never
comes: a price is missing. Of a part that is drawn again it throws away the container, but not what
it sends in short because the browser knows it; that then comes into whatever stood there before,
and the page goes blank.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from streamlit.proto.ClientState_pb2 import ClientState
from streamlit.runtime.app_session import AppSession, AppSessionState
from streamlit.runtime.scriptrunner import RerunData, ScriptRunnerEvent

_ask = AppSession.request_rerun
_begin = AppSession._create_scriptrunner
_hear = AppSession._handle_scriptrunner_event_on_event_loop
_waiting: WeakKeyDictionary[AppSession, list[RerunData]] = WeakKeyDictionary()


def make_whole() -> None:
    """From now on nothing that was drawn is thrown away, and every run is heard to its end."""
    session: Any = AppSession
    session.request_rerun = _ask_for_what_there_is
    session._create_scriptrunner = _begin_after_the_end
    session._handle_scriptrunner_event_on_event_loop = _hear_to_the_end
    session._clear_queue = _clear_nothing


def _ask_for_what_there_is(session: AppSession, state: ClientState | None) -> None:
    """Who asks for a part of the page that is not there any more is given all of it."""
    part = state.fragment_id if state is not None and not state.is_auto_rerun else ""
    if state is not None and part and not session.has_fragment(part):
        state.fragment_id = ""
    _ask(session, state)


def _begin_after_the_end(session: AppSession, asked: RerunData) -> None:
    """A runner that is replaced is not listened to, though it may still have much to tell."""
    if session._scriptrunner is None:
        _begin(session, asked)
    else:
        _waiting.setdefault(session, []).append(asked)


def _hear_to_the_end(
    session: AppSession, sender: Any, event: ScriptRunnerEvent, *more: Any
) -> None:
    _hear(session, sender, event, *more)
    if event is not ScriptRunnerEvent.SHUTDOWN:
        return
    for asked in _waiting.pop(session, []):
        if session._state is AppSessionState.SHUTDOWN_REQUESTED:
            return
        if session._scriptrunner is None or not session._scriptrunner.request_rerun(asked):
            session._create_scriptrunner(asked)


def _clear_nothing(session: AppSession, _fragments: list[str] | None = None) -> None:
    """Only see to it that what the new run draws is not put in the place of what is waiting."""
    session._browser_queue._delta_index_map = {}
