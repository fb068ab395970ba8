"""The chat screen: one conversation with its composer and the sidebar."""

from contextlib import nullcontext, suppress

import streamlit as st

from chat import NotFound, ParleyError, TemporaryConversationExpired
from pages.components import clipboard, live_region, scroll
from pages.composer import composer
from pages.conversation import streaming_reply, transcript
from pages.rendering import draw_turns
from pages.session import auto_refresh, notices, tab_state
from pages.sidebar import sidebar

tab_state.apply_sent()
service = tab_state.service()
view, is_current = None, True
auto_refresh.forget_outage()
if conversation_id := tab_state.conversation_id():
    try:
        view = service.conversations.open(conversation_id, tab_state.window())
    except NotFound as error:
        notices.say(
            TemporaryConversationExpired.sentence if tab_state.is_temporary() else error.sentence
        )
        tab_state.show_conversation(None)
    except ParleyError as error:  # the URL is kept, because the database may come back
        notices.say(error.sentence, error.code)
        view, is_current = tab_state.kept_view(conversation_id), False
if is_current:
    tab_state.keep_view(view)

tab_state.remember_view()
live_region.draw(view)
scroll.draw()
clipboard.draw_listener()
if tab_state.is_temporary():
    st.caption(
        ":material/timer: Temporary chat: not saved. Kept in memory for up to a day.",
        text_alignment="center",
    )
else:
    st.empty()
running = None
if view is None:
    transcript.draw_empty()
else:
    running = transcript.draw(view)
composer.draw(view)
sidebar.draw(view)
if view is not None and view.running_id:
    draw_turns.end()
    # During an outage another process may write the reply, of which nothing can be read.
    with nullcontext() if is_current else suppress(ParleyError):
        if running is None:
            streaming_reply.wait_for_end(view.running_id)
        else:
            running.follow()
    if is_current:
        st.rerun()
auto_refresh.draw(view, is_current=is_current)
transcript.remember_rendered(view)
