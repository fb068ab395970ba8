"""The chat: one conversation, its composer, and the sidebar beside it."""

import streamlit as st

from chat import NotFound, ParleyError, TemporaryGone
from pages.parts import (
    announcer,
    clipboard,
    composer,
    identity,
    live,
    notices,
    scroll,
    sidebar,
    state,
    transcript,
    turns,
    watch,
)

state.take_up()
service, owner = state.service(), identity.owner()
view = None
if wanted := state.conversation_id():
    try:
        view = service.open(owner, wanted, state.window())
    except NotFound as error:
        notices.say(TemporaryGone.sentence if state.is_temporary() else error.sentence)
        state.show_conversation(None)
    except ParleyError as error:  # the address stays: loading the page again may help
        notices.say(error.sentence)

state.note_seen()
announcer.draw(view)
scroll.draw()
clipboard.listen()
if state.is_temporary():
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
    turns.over()
    if running is None:
        live.wait(view.running_id)
    else:
        running.follow()
    st.rerun()
watch.draw(view)
transcript.keep(view)
