"""Sign-in and access code, required by every screen except shared conversations.

Without access `visitor.owner()` is empty, so that clicks of an older page have no effect either.
"""

from __future__ import annotations

import streamlit as st

from chat import NotAllowed, SignInExpired, sign_in_problems, sign_in_providers
from pages.session import notices, process, visitor


def is_open() -> bool:
    """Return whether the person has access."""
    return bool(visitor.person().owner)


def draw(purpose: str = "to continue") -> None:
    """Ask for sign-in or the access code; `purpose` completes "Sign in …"."""
    with st.container(key="gate"):
        st.header("Parley", anchor=False)
        try:
            owner = visitor.identified().owner
        except NotAllowed as error:
            st.text(error.sentence)
            draw_sign_out()
            return
        except SignInExpired as error:
            st.text(error.sentence)
            owner = ""
        if owner:
            _ask_for_code(purpose)
        else:
            st.text(f"Sign in {purpose}.")
            _draw_sign_in()


def draw_sign_out() -> None:
    st.button(
        "Sign out",
        key="sign_out",
        icon=":material/logout:",
        on_click=notices.attempt,
        args=(visitor.sign_out,),
    )


def _draw_sign_in() -> None:
    auth = visitor.sign_in_settings().get("auth", {})
    if sign_in_problems(auth):  # the secrets file was changed after the start
        st.text("Sign-in is not set up right now. The administrator has to check the secrets file.")
        return
    for name in sign_in_providers(auth):
        st.button(
            f"Sign in with {name.capitalize()}" if name else "Sign in",
            key=f"sign_in_{name}" if name else "sign_in",
            type="secondary" if name else "primary",
            on_click=notices.attempt,
            args=(st.login, name or None),
        )


def _ask_for_code(purpose: str) -> None:
    st.text(f"Enter the access code {purpose}. Ask the person who sent you this address for it.")
    notices.draw()
    with st.form("entry", border=False):
        st.text_input(
            "Access code", type="password", key="access_code", max_chars=200, autocomplete="off"
        )
        st.form_submit_button("Enter", key="enter", type="primary", on_click=_enter)


def _enter() -> None:
    code, st.session_state["access_code"] = st.session_state["access_code"], ""
    owner = visitor.identified().owner
    notices.attempt(process.chat_service().access.enter, owner, code, visitor.client_address())
