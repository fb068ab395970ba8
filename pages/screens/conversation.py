"""The chat: one conversation, its composer, and the sidebar beside it."""

import streamlit as st

from chat import NotFound, ParleyError, TemporaryConversationExpired
from pages.components import clipboard, live_region, scroll
from pages.composer import composer
from pages.conversation import streaming_reply, transcript
from pages.rendering import draw_turns
from pages.session import auto_refresh, notices, tab_state, visitor
from pages.sidebar import sidebar

tab_state.take_up()
service, owner = tab_state.service(), visitor.owner()
view = None
if wanted := tab_state.conversation_id():
    try:
        view = service.open(owner, wanted, tab_state.window())
    except NotFound as error:
        notices.say(
            TemporaryConversationExpired.sentence if tab_state.is_temporary() else error.sentence
        )
        tab_state.show_conversation(None)
    except ParleyError as error:  # the address stays: loading the page again may help
        notices.say(error.sentence)

tab_state.note_seen()
live_region.draw(view)
scroll.draw()
clipboard.draw_listener()
if tab_state.is_temporary():
    st.caption(
        ":material/timer: Temporary conversation: nothing of it is stored. "
        "It is gone a day after the last message, or when Parley is restarted.",
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
    draw_turns.over()
    if running is None:
        streaming_reply.wait(view.running_id)
    else:
        running.follow()
    st.rerun()
auto_refresh.draw(view)
transcript.keep(view)
