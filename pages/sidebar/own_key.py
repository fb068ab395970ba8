"""The user's own API key: entered in the sidebar, held by this tab, passed with each request."""

from __future__ import annotations

from concurrent.futures import Future

import streamlit as st

from chat import OTHER, Model, ParleyError
from pages.markdown import sanitize
from pages.session import notices, tab_state

KEY, PROVIDER, ADDRESS = "own_key", "own_provider", "own_base_url"
_HELP = (
    "The key stays in the memory of this tab. It is not stored, not shown again, and forgotten "
    "when you reload the page. Its provider charges you for the models."
)


def models() -> list[str]:
    """Return the refs of the models that the key gives access to, as far as they are known."""
    own = tab_state.own_key()
    if own is None:
        return []
    discovered = _finished_discovery()
    if discovered is not None and not discovered.exception():
        return [model.ref for model in discovered.result()]
    return [model.ref for model in tab_state.service().models.own_models(own)]


def _finished_discovery() -> Future[tuple[Model, ...]] | None:
    discovered = tab_state.own_models()
    if discovered is None or not discovered.done() or discovered.cancelled():
        return None
    return discovered


def is_discovering() -> bool:
    """Return whether the provider's list of models is still being requested."""
    discovered = tab_state.own_models()
    return discovered is not None and not discovered.done()


def draw() -> None:
    offered = tab_state.service().models.own_key_providers
    if not offered:
        st.empty()
        return
    with st.expander("Your own key", key="own"):
        _draw_key_in_use()
        provider = st.selectbox(
            "Provider", list(offered), key=PROVIDER, format_func=lambda name: offered[name]
        )
        if provider == OTHER:
            st.text_input("Address", key=ADDRESS, placeholder="https://llm.example.com/v1")
        else:
            st.empty()
        st.text_input("Key", type="password", key=KEY, help=_HELP, autocomplete="off")
        st.button("Use this key", key="use_own_key", width="stretch", on_click=_use)


def _draw_key_in_use() -> None:
    own = tab_state.own_key()
    if own is None:
        st.empty()
        return
    with st.container(key="own_state", gap="xsmall"):
        st.caption(f"A key for {sanitize.plain_text(own.label)} is in use in this tab.")
        discovered = _finished_discovery()
        if discovered is not None and (error := discovered.exception()):
            st.caption(f":material/error: {sanitize.plain_text(str(error))}")
        st.button("Forget this key", key="forget_own_key", width="stretch", on_click=_forget)


def _use() -> None:
    service = tab_state.service()
    typed = (str(st.session_state.get(each) or "") for each in (PROVIDER, KEY, ADDRESS))
    own = notices.attempt(service.models.own_key, *typed)
    if own is None:
        return
    st.session_state[KEY] = ""  # remove the key from the page and from the widget state
    tab_state.set_own_key(own)
    for model in service.models.own_models(own)[:1]:
        _select_model(model.ref)
    try:
        tab_state.set_own_key(own, service.models.discover_own_models(own))
    except ParleyError as error:  # the key is in use nevertheless
        notices.say(error.sentence, error.code)


def _forget() -> None:
    own = tab_state.own_key()
    tab_state.set_own_key(None)
    if own is not None and _selected_model().startswith(f"{own.name}/"):
        _select_model(None)


def _selected_model() -> str:
    """Return the ref of the model of the conversation in view, or of a new one."""
    settings = tab_state.draft_settings()
    if conversation := tab_state.conversation_id():
        found = notices.quietly(tab_state.service().conversations.settings, conversation)
        settings = found or settings
    return settings.model or ""


def _select_model(ref: str | None) -> None:
    if (conversation := tab_state.conversation_id()) is None:
        tab_state.change_draft_settings(model=ref)
    else:
        notices.attempt(tab_state.service().conversations.change_settings, conversation, model=ref)
