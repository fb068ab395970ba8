"""What stands before every screen but a shared one: sign-in, and the access code.

Until somebody is let in `identity.owner()` is nobody's, so that no click can do anything either.
"""

from __future__ import annotations

import streamlit as st

from chat import NotAllowed, SignInExpired, sign_in_problems, sign_in_providers
from pages.session import notices, process, visitor


def is_open() -> bool:
    """Whether whoever looks at this tab is let in."""
    return bool(visitor.person().owner)


def draw(wish: str = "to go on") -> None:
    """Ask for what is missing; `wish` says what for."""
    with st.container(key="gate"):
        st.header("Parley", anchor=False)
        try:
            owner = visitor.claimed().owner
        except NotAllowed as error:
            st.text(error.sentence)
            draw_sign_out()
            return
        except SignInExpired as error:
            st.text(error.sentence)
            owner = ""
        if owner:
            _ask_for_code(wish)
        else:
            st.text(f"Sign in {wish}.")
            _draw_sign_in()


def draw_sign_out() -> None:
    st.button(
        "Sign out",
        key="sign_out",
        icon=":material/logout:",
        on_click=notices.attempt,
        args=(st.logout,),
    )


def _draw_sign_in() -> None:
    auth = visitor.sign_in_settings().get("auth", {})
    if sign_in_problems(auth):  # since the start: the secrets are being edited, say
        st.text("Sign-in is not set up right now. Whoever runs Parley has to look at its secrets.")
        return
    for name in sign_in_providers(auth):
        st.button(
            f"Sign in with {name.capitalize()}" if name else "Sign in",
            key=f"sign_in_{name}" if name else "sign_in",
            type="secondary" if name else "primary",
            on_click=notices.attempt,
            args=(st.login, name or None),
        )


def _ask_for_code(wish: str) -> None:
    st.text(f"Enter the access code {wish}. Whoever gave you this address knows it.")
    notices.draw()
    with st.form("entry", border=False):
        st.text_input(
            "Access code", type="password", key="access_code", max_chars=200, autocomplete="off"
        )
        st.form_submit_button("Enter", key="enter", type="primary", on_click=_enter)


def _enter() -> None:
    code, st.session_state["access_code"] = st.session_state["access_code"], ""
    owner = visitor.claimed().owner
    notices.attempt(process.chat_service().access.enter, owner, code, visitor.client_address())
