"""Links that share a conversation read-only: create, list and revoke."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote, urlsplit

import streamlit as st

from chat import Conversation
from pages.session import notices, tab_state

_EXPIRATIONS = {"Forever": None, "For a day": 1, "For a week": 7, "For a month": 30}


def draw(conversation: Conversation) -> None:
    st.markdown("**Share**")
    st.caption("Anyone with the link can read this version. Later messages are not included.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Expires",
            list(_EXPIRATIONS),
            key="share_for",
            label_visibility="collapsed",
            width="stretch",
        )
        st.button(
            "Create link",
            key="share",
            icon=":material/link:",
            on_click=_share,
            args=(conversation.id,),
        )
    link = st.session_state.get("share_link", {}).get(conversation.id)
    if link:
        st.code(link, language=None, wrap_lines=True)
        st.caption("Copy the link now. It is shown only once.")
    for share in notices.quietly(tab_state.service().sharing.links, conversation.id) or []:
        with st.container(horizontal=True, vertical_alignment="center"):
            until = f", expires {share.expires_at:%d %b %Y}" if share.expires_at else ""
            st.caption(f"Link created {share.created_at:%d %b %Y, %H:%M} UTC{until}")
            st.button(
                ":small[Revoke]",
                key=f"revoke_{share.id}",
                type="tertiary",
                icon=":material/link_off:",
                on_click=_revoke,
                args=(conversation.id, share.id),
            )


def _share(conversation_id: str) -> None:
    days = _EXPIRATIONS[st.session_state["share_for"]]
    made = notices.attempt(
        tab_state.service().sharing.create,
        conversation_id,
        timedelta(days=days) if days else None,
    )
    if made is not None:
        st.session_state["share_link"] = {conversation_id: _url(made[1])}


def _url(secret: str) -> str:
    here = urlsplit(st.context.url or "")
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    path = f"/{base}/shared" if base else "/shared"
    return f"{here.scheme}://{here.netloc}{path}?s={quote(secret)}"


def _revoke(conversation_id: str, share_id: str) -> None:
    if notices.succeeds(tab_state.service().sharing.revoke, share_id):
        st.session_state.pop("share_link", None)
        notices.say("The link was revoked.")
