"""A shared conversation: read-only, for whoever has the link."""

import streamlit as st

from chat import NotFound, ParleyError
from pages.conversation import transcript
from pages.markdown import sanitize
from pages.session import notices, tab_state, visitor
from pages.sign_in import gate

service = tab_state.stored()
secret = st.query_params.get("s", "")


def go_on() -> None:
    """Continue in a copy of the reader's own."""
    made = notices.attempt(service.continue_shared, visitor.owner(), secret)
    if made is not None:
        st.session_state["go_to"] = made


if "go_to" in st.session_state:
    st.switch_page(
        "pages/screens/conversation.py", query_params={"c": st.session_state.pop("go_to")}
    )
try:
    snapshot = service.shared(secret)
except NotFound:
    st.subheader("This link shows nothing", anchor=False)
    st.text("It was revoked, has expired, or was never complete.")
    st.stop()
except ParleyError as error:
    st.error(error.sentence)
    st.stop()
if gate.is_open():
    notices.draw()
st.subheader(sanitize.plain_text(snapshot.title), anchor=False)
st.caption(f"A shared conversation, as it stood on {snapshot.created_at:%d %B %Y, %H:%M} UTC.")
with st.container(key="shared"):
    for message in snapshot.messages:
        transcript.draw_shared(message)
if gate.is_open():
    st.button(
        "Continue in a copy of my own",
        key="continue_shared",
        icon=":material/arrow_forward:",
        type="primary",
        on_click=go_on,
    )
else:
    gate.draw("to continue in a copy of your own")
