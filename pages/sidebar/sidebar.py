"""The sidebar of the chat screen: navigation, conversations and settings of the next reply."""

from __future__ import annotations

import streamlit as st

from chat import ConversationView, ImagesUnsupported, ProviderError, ReplySettings, Role
from pages.conversation import message_actions
from pages.rendering import widget_values
from pages.session import notices, tab_state
from pages.sidebar import conversation_list, conversation_menu, export, own_key, search
from pages.sign_in import account_panel

_SHORTCUTS = """
| Keys | Action |
|---|---|
| Enter | Send the message |
| Shift + Enter | New line |
| Ctrl + Shift + O | New conversation |
| Ctrl + Shift + S | Stop the reply |
| Ctrl + K | Search |
| Ctrl + Enter | Send an edited message |

On a Mac, use Cmd instead of Ctrl.
"""


class _ModelRef(str):
    """The ref of a model in the list, to distinguish it from typed text, which is a plain str."""

    __slots__ = ()


def draw(view: ConversationView | None) -> None:
    """Render the sidebar; while a reply is followed, only the conversation list.

    Streamlit keeps the rest from the previous run, see `transcript`.
    """
    is_rendered = bool(view and view.live and tab_state.was_drawn(view.conversation.id))
    # Streamlit drops the data of a download button that a run does not render.
    has_download = export.is_prepared(view.conversation if view else None)
    with st.sidebar:
        with st.container():
            if not is_rendered:
                st.subheader("Parley", anchor=False)
                _draw_navigation()
        conversation_list.draw(view)
        with st.container():
            if not is_rendered or has_download:
                _draw_conversation(view)


def _draw_conversation(view: ConversationView | None) -> None:
    """Render the menu, settings and actions of the conversation in view."""
    if view is not None and not tab_state.is_temporary():
        conversation_menu.draw(view.conversation)
    else:
        st.empty()
    _draw_settings(view)
    _draw_actions(view)
    if view is not None:
        _draw_context_usage(view)
    account_panel.draw()


def _draw_navigation() -> None:
    st.button(
        "New conversation",
        key="new_chat",
        shortcut="Ctrl+Shift+O",
        width="stretch",
        on_click=_new,
        kwargs={"is_temporary": False},
    )
    with st.container(horizontal=True, gap="small"):
        st.button(
            "**Temporary**" if tab_state.is_temporary() else "Temporary",
            key="new_temporary",
            icon=":material/timer:",
            type="tertiary",
            on_click=_new,
            kwargs={"is_temporary": True},
        )
        st.button(
            "Search",
            key="search",
            icon=":material/search:",
            shortcut="Ctrl+K",
            type="tertiary",
            on_click=search.toggle,
        )
        st.page_link("pages/screens/history.py", label="History", icon=":material/history:")
        st.page_link("pages/screens/usage.py", label="Usage", icon=":material/bar_chart:")
        with st.popover("Shortcuts", key="shortcuts", icon=":material/keyboard:"):
            st.markdown(_SHORTCUTS)


def _new(*, is_temporary: bool) -> None:
    notices.dismiss()
    tab_state.show_conversation(None, is_temporary=is_temporary)


def _draw_settings(view: ConversationView | None) -> None:
    """Render the controls of the reply settings, which store every change at once."""
    service = tab_state.service()
    settings = view.conversation.settings if view else tab_state.draft_settings()
    refs = [*own_key.models(), *(model.ref for model in service.models.available())]
    models = [_ModelRef(ref) for ref in refs]
    chosen = _selected_model(settings)
    if chosen and chosen not in models:
        models.insert(0, chosen)
    if type(st.session_state.get("model")) is str:
        # The select box still shows the typed text and would append further typing to it.
        widget_values.queue("model", chosen)
    max_tokens = service.settings.max_reply_tokens
    widget_values.push("model", chosen)
    widget_values.push("temperature", _temperature(settings))
    widget_values.push("system_prompt", settings.system_prompt)
    widget_values.push("reply_length", min(settings.max_reply_tokens or max_tokens, max_tokens))
    st.selectbox(
        "Model",
        models,
        key="model",
        format_func=service.models.label,
        accept_new_options=True,
        placeholder="Choose a model or type its id",
        on_change=_change,
        args=("model", "model"),
    )
    st.slider(
        "Temperature",
        0.0,
        2.0,
        step=0.1,
        key="temperature",
        on_change=_change,
        args=("temperature", "temperature"),
    )
    with st.expander("Instructions"):
        st.text_area(
            "System prompt",
            key="system_prompt",
            placeholder=service.settings.default_system_prompt or "How should the model behave?",
            on_change=_change,
            args=("system_prompt", "system_prompt"),
        )
        st.number_input(
            "Longest reply (tokens)",
            min_value=1,
            max_value=max_tokens,
            step=256,
            key="reply_length",
            on_change=_change,
            args=("reply_length", "max_reply_tokens"),
        )
    own_key.draw()
    _draw_discovery()


def _selected_model(settings: ReplySettings) -> _ModelRef | None:
    try:
        return _ModelRef(tab_state.service().models.get(settings.model).ref)
    except ProviderError:
        return _ModelRef(settings.model) if settings.model else None


def _temperature(settings: ReplySettings) -> float:
    default = tab_state.service().settings.default_temperature
    if settings.temperature is not None:
        return settings.temperature
    return default if default is not None else 1.0


def _change(key: str, field: str) -> None:
    value = st.session_state[key]
    if key == "model":
        model = notices.attempt(tab_state.service().models.find, value or "", tab_state.own_key())
        if model is None:
            return
        value = model.ref
        notices.forget(ImagesUnsupported.code)
    if (conversation := tab_state.conversation_id()) is None:
        tab_state.change_draft_settings(**{field: value})
    else:
        notices.attempt(
            tab_state.service().conversations.change_settings, conversation, **{field: value}
        )


def _draw_discovery() -> None:
    """Rerun the page when the discovery of models ends; until then the known ones are listed."""
    if tab_state.service().models.is_discovering or own_key.is_discovering():
        _poll_discovery()
    else:
        st.empty()


@st.fragment(run_every=0.5)
def _poll_discovery() -> None:
    if not (tab_state.service().models.is_discovering or own_key.is_discovering()):
        st.rerun()


def _draw_actions(view: ConversationView | None) -> None:
    is_busy = view is None or view.running_id is not None
    last = view.messages[-1] if view and view.messages else None
    answer = last if last and last.role is Role.ASSISTANT else None
    is_cleared = view is not None and view.mark_at_end is not None
    with st.container(horizontal=True, gap="xsmall"):
        st.button(
            "Retry",
            key="retry",
            disabled=is_busy or answer is None,
            width="stretch",
            on_click=message_actions.retry_last,
        )
        st.button(
            "Clear context",
            key="clear",
            disabled=is_busy or last is None or is_cleared,
            width="stretch",
            on_click=_clear,
        )
        st.button(
            "Delete",
            key="delete_conversation",
            disabled=view is None,
            width="stretch",
            on_click=_delete,
        )


def _clear() -> None:
    notices.attempt(tab_state.service().conversations.clear, tab_state.conversation_id())


def _delete() -> None:
    conversation = tab_state.conversation_id()
    if conversation and notices.succeeds(tab_state.service().conversations.delete, conversation):
        tab_state.show_conversation(None)
        notices.offer_undo("Conversation deleted.", notices.Undo.CONVERSATION, conversation)


def _draw_context_usage(view: ConversationView) -> None:
    used, available = view.context.used_tokens, max(1, view.context.available_tokens)
    about = "" if view.context.is_exact else "≈ "
    st.progress(
        min(1.0, used / available),
        text=f":small[Context: {about}{used:,} of {available:,} tokens]",
    )
