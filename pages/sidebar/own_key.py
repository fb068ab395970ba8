"""A key of the person's own: typed in the sidebar, held by this tab, handed in with each call."""

from __future__ import annotations

import streamlit as st

from chat import OTHER, ParleyError
from pages.markdown import sanitize
from pages.session import notices, tab_state, visitor

KEY, PROVIDER, ADDRESS = "own_key", "own_provider", "own_base_url"
_HELP = (
    "It stays in this tab's memory: it is not stored and not shown again, and it is gone "
    "when the page is loaded again. What its models cost is paid with it."
)


def models() -> list[str]:
    """The refs of the models that the key opens, as far as they are known by now."""
    own = tab_state.own_key()
    if own is None:
        return []
    told = tab_state.own_models()
    if told is not None and told.done() and not told.cancelled() and not told.exception():
        return [model.ref for model in told.result()]
    return [model.ref for model in tab_state.service().own_models(own)]


def is_discovering() -> bool:
    """Whether the provider has yet to say which models there are."""
    told = tab_state.own_models()
    return told is not None and not told.done()


def draw() -> None:
    offered = tab_state.service().own_key_providers
    if not offered:
        st.empty()
        return
    with st.expander("Your own key", key="own"):
        _draw_state()
        provider = st.selectbox(
            "Provider", list(offered), key=PROVIDER, format_func=lambda name: offered[name]
        )
        if provider == OTHER:
            st.text_input("Address", key=ADDRESS, placeholder="https://llm.example.com/v1")
        else:
            st.empty()
        st.text_input("Key", type="password", key=KEY, help=_HELP, autocomplete="off")
        st.button("Use this key", key="use_own_key", width="stretch", on_click=_use)


def _draw_state() -> None:
    own, told = tab_state.own_key(), tab_state.own_models()
    if own is None:
        st.empty()
        return
    with st.container(key="own_state", gap="xsmall"):
        st.caption(f"A key for {sanitize.plain_text(own.label)} is in use in this tab.")
        if told is not None and told.done() and not told.cancelled() and told.exception():
            st.caption(f":material/error: {sanitize.plain_text(str(told.exception()))}")
        st.button("Forget it", key="forget_own_key", width="stretch", on_click=_forget)


def _use() -> None:
    service = tab_state.service()
    typed = (str(st.session_state.get(each) or "") for each in (PROVIDER, KEY, ADDRESS))
    own = notices.attempt(service.own_key, *typed)
    if own is None:
        return
    st.session_state[KEY] = ""  # out of the page, and out of the widget's state
    tab_state.set_own_key(own)
    for model in service.own_models(own)[:1]:
        _choose(model.ref)
    try:
        tab_state.set_own_key(own, service.discover_own_models(own))
    except ParleyError as error:  # the key is in use all the same
        notices.say(error.sentence, error.code)


def _forget() -> None:
    own = tab_state.own_key()
    tab_state.set_own_key(None)
    if own is not None and _chosen().startswith(f"{own.name}/"):
        _choose(None)


def _chosen() -> str:
    """The model of what is in view."""
    settings = tab_state.draft_settings()
    if conversation := tab_state.conversation_id():
        found = notices.quietly(tab_state.service().settings_of, visitor.owner(), conversation)
        settings = found or settings
    return settings.model or ""


def _choose(ref: str | None) -> None:
    if (conversation := tab_state.conversation_id()) is None:
        tab_state.change_draft_settings(model=ref)
    else:
        notices.attempt(
            tab_state.service().change_settings, visitor.owner(), conversation, model=ref
        )
