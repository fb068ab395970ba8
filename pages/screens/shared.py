"""The read-only screen of a shared conversation, for anyone with the link."""

import streamlit as st

from chat import NotFound, ParleyError
from pages.conversation import segment_cache, transcript
from pages.markdown import sanitize
from pages.session import notices, tab_state
from pages.sign_in import gate

segment_cache.clear()
service = tab_state.saved_service()
secret = st.query_params.get("s", "")


def continue_in_copy() -> None:
    """Copy the conversation to the reader's account and open the copy."""
    made = notices.attempt(service.sharing.continue_, secret)
    if made is not None:
        st.session_state["go_to"] = made


if "go_to" in st.session_state:
    st.switch_page(
        "pages/screens/conversation.py", query_params={"c": st.session_state.pop("go_to")}
    )
try:
    snapshot = service.sharing.open(secret)
except NotFound:
    st.subheader("This link has expired or was revoked", anchor=False)
    st.text("Check that the address is complete, or ask for a new link.")
    st.stop()
except ParleyError as error:
    st.error(error.sentence)
    st.stop()
if gate.is_open():
    notices.draw()
st.subheader(sanitize.plain_text(snapshot.title), anchor=False)
st.caption(f"A shared conversation, as of {snapshot.created_at:%d %B %Y, %H:%M} UTC.")
with st.container(key="shared"):
    for message in snapshot.messages:
        transcript.draw_shared(message)
if gate.is_open():
    st.button(
        "Continue in my own copy",
        key="continue_shared",
        icon=":material/arrow_forward:",
        type="primary",
        on_click=continue_in_copy,
    )
else:
    gate.draw("to continue in your own copy")
