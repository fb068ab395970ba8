"""Access code and sign-in through `app.py`, and the owner of a tab, without a browser."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from itsdangerous import URLSafeTimedSerializer
from streamlit import config
from streamlit.testing.v1 import AppTest

from chat import Submission, account_from_claims, visitor_from_cookie
from chat.config.settings import Settings
from chat.errors import NotAllowed, SignInExpired, WrongCode
from chat.services.access import MAX_GUESSES
from pages.session import process
from pages.session import visitor as session_visitor
from tests.support.openid_settings import SHARED, SIGN_IN

APP = str(Path(__file__).parents[2] / "app.py")
CODE = "open sesame"
AUTH = {"auth": SIGN_IN}


@pytest.fixture(autouse=True)
def app_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, any_database_url: str
) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", any_database_url)
    monkeypatch.setenv("FIND_LOCAL_SERVERS", "false")
    process.reset()
    yield
    process.chat_service().close()
    process.reset()


def open_page(visitor: str = "ada", **claims: Any) -> AppTest:
    page = AppTest.from_file(APP, default_timeout=20)
    page.session_state["visitor"] = visitor
    if claims:
        page.secrets = AUTH
        page.user.update(claims)
    return page


def ann(**changes: Any) -> dict[str, Any]:
    """Return the claims of a person who has just signed in."""
    claims = {"is_logged_in": True, "iss": "https://id", "sub": "1", "email": "ann@x.org"}
    return {**claims, "iat": time.time(), **changes}


OWNER = account_from_claims(ann(), Settings(), datetime.now(UTC)).owner
LONG_AGO = 31 * 86_400  # seconds


def keys(page: AppTest) -> set[str]:
    widgets = [*page.button, *page.text_input, *page.chat_input]
    return {widget.key or "" for widget in widgets}


def texts(page: AppTest) -> str:
    text = "\n".join(str(each.value) for each in [*page.text, *page.markdown])
    return re.sub(r"\\([^\w\s])", r"\1", text)


def enter(page: AppTest, code: str) -> AppTest:
    page.text_input(key="access_code").set_value(code)
    return page.button(key="enter").click().run()


def test_access_code_is_required_except_for_shared_links(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCESS_CODE", CODE)
    page = open_page().run()
    assert keys(page) == {"access_code", "enter"}
    enter(page, "open barley")
    assert WrongCode.sentence in texts(page) and "composer" not in keys(page)
    assert page.text_input(key="access_code").value == ""
    enter(page, CODE)
    assert not page.exception
    assert "composer" in keys(page) and "enter" not in keys(page)
    assert "composer" in keys(open_page().run())  # in another tab, and after a refresh
    assert keys(open_page("bob").run()) == {"access_code", "enter"}

    service = process.chat_service()
    answer = service.as_owner("visitor:ann").messages.send(None, Submission("Shared words"))
    list(service.as_owner("visitor:ann").messages.follow(answer.id))
    secret = service.as_owner("visitor:ann").sharing.create(answer.conversation_id)[1]
    reader = open_page("eve").switch_page(str(Path(APP).parent / "pages/screens/shared.py"))
    reader.query_params["s"] = secret
    reader.run()
    assert "Shared words" in texts(reader)
    assert keys(reader) == {"access_code", "enter"}


def test_too_many_wrong_codes_are_refused_until_a_stated_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCESS_CODE", CODE)
    page = open_page().run()
    for _ in range(MAX_GUESSES):
        enter(page, "wrong")
    enter(page, CODE)
    assert "Try again at" in texts(page) and "composer" not in keys(page)


def test_a_tab_belongs_to_the_signed_in_account() -> None:
    assert keys(open_page(is_logged_in=False).run()) == {"sign_in"}
    page = open_page(**ann()).run()
    assert {"composer", "sign_out"} <= keys(page)
    page.chat_input(key="composer").set_value("Perfect").run()
    assert [
        each.title for each in process.chat_service().as_owner(OWNER).conversations.latest()
    ] == ["Perfect"]


@pytest.mark.parametrize("is_logged_in", ["true", 1, None, False])
def test_claims_without_is_logged_in_are_ignored(is_logged_in: object) -> None:
    assert keys(open_page(**ann(is_logged_in=is_logged_in)).run()) == {"sign_in"}


def test_expired_or_disallowed_sign_in_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_EMAILS", "x.org")
    page = open_page(**ann(iat=time.time() - LONG_AGO)).run()
    assert SignInExpired.sentence in texts(page) and keys(page) == {"sign_in"}
    page = open_page(**ann(email="eve@y.org")).run()
    assert NotAllowed.sentence in texts(page) and keys(page) == {"sign_out"}


def test_clicks_in_an_open_tab_have_no_effect_after_the_sign_in_expires() -> None:
    page = open_page(**ann()).run()
    page.user.update(iat=time.time() - LONG_AGO)
    page.button(key="starter_0").click().run()
    assert keys(page) == {"sign_in"}
    assert process.chat_service().as_owner(OWNER).conversations.latest() == []


def test_sign_in_and_access_code_are_both_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_CODE", CODE)
    assert keys(open_page(is_logged_in=False).run()) == {"sign_in"}
    page = open_page(**ann()).run()
    assert keys(page) == {"access_code", "enter"}
    assert {"composer", "sign_out"} <= keys(enter(page, CODE))


def test_removing_auth_from_the_secrets_does_not_disable_sign_in() -> None:
    assert "composer" in keys(open_page(**ann()).run())
    stranger = open_page("eve").run()  # without secrets, as when the file is being edited
    assert not stranger.exception and keys(stranger) == set()
    assert "Sign-in is not set up right now." in texts(stranger)
    for auth in ({}, {"cookie_secret": "x" * 32}, {**SIGN_IN, "redirect_uri": ""}):
        stranger = open_page("eve", is_logged_in=False)
        stranger.secrets = {"auth": auth}
        assert keys(stranger.run()) == set()
        assert "Sign-in is not set up right now." in texts(stranger)


def test_each_provider_has_a_sign_in_button() -> None:
    page = open_page(is_logged_in=False)
    google = {name: value for name, value in SIGN_IN.items() if name not in SHARED}
    page.secrets = {"auth": {**SIGN_IN, "google": google, "client_kwargs": {"client_id": "x"}}}
    assert keys(page.run()) == {"sign_in", "sign_in_google"}


def test_incomplete_sign_in_settings_are_reported_and_show_no_screen() -> None:
    page = open_page(is_logged_in=False)
    page.secrets = {"auth": {"cookie_secret": "x" * 32, "client_id": "parley"}}
    assert keys(page.run()) == set()
    assert "redirect_uri in [auth]" in texts(page)
    assert "[auth] lacks client_secret and server_metadata_url" in texts(page)


def test_access_outside_of_pages_requires_the_access_code(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie, other = {"parley_visitor": "c" * 43}, {"parley_visitor": "d" * 43}
    assert not session_visitor.has_access(cookie), "the service is not open yet"
    process.chat_service()
    assert session_visitor.has_access({}) and session_visitor.has_access(cookie)
    process.chat_service().close()
    process.reset()
    monkeypatch.setenv("ACCESS_CODE", CODE)
    process.chat_service()
    assert not session_visitor.has_access({}) and not session_visitor.has_access(cookie)
    process.chat_service().access.enter(visitor_from_cookie("c" * 43).owner, CODE)
    assert session_visitor.has_access(cookie) and not session_visitor.has_access(other)
    assert not session_visitor.may_upload(cookie, "a session of another browser")


def test_entering_the_code_grants_access_to_the_other_tabs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCESS_CODE", CODE)
    cookie = "c" * 43
    page = open_page()
    page.session_state["visitor_cookie"] = cookie
    page.run()
    assert not process.open_tabs().is_known(cookie)
    page.text_input(key="access_code").set_value(CODE)
    page.button(key="enter").click().run()
    assert process.open_tabs().is_known(cookie)


def test_sign_out_ends_the_sign_in_for_every_copy_of_its_cookie() -> None:
    claims = ann(nonce="1")
    page = open_page(**claims).run()
    assert "composer" in str(page.chat_input)
    copy, later = open_page(**claims).run(), open_page(**{**claims, "nonce": "2"}).run()
    page.button(key="sign_out").click().run()
    assert "sign_in" in keys(copy.run()), "a copied cookie still works"
    assert "sign_in" in keys(open_page(**claims).run())
    assert "sign_in" not in keys(later.run()), "another sign-in of the account was ended, too"


def signed_cookie(claims: dict[str, Any]) -> str:
    """Return a sign-in cookie as Streamlit makes it."""
    serializer = URLSafeTimedSerializer(config.get_option("server.cookieSecret"), "_streamlit_user")
    return str(serializer.dumps(json.dumps(claims)))


def test_sign_in_cookie_is_removed_after_the_sign_out_only() -> None:
    claims = ann(nonce="1")
    cookies = {"_streamlit_user": signed_cookie(claims)}
    assert session_visitor.may_clear_sign_in({})
    assert session_visitor.may_clear_sign_in({"_streamlit_user": "rubbish"})
    assert not session_visitor.may_clear_sign_in(cookies)
    process.chat_service().access.sign_out(claims)
    assert session_visitor.may_clear_sign_in(cookies)
    assert not session_visitor.may_clear_sign_in({"_streamlit_user": signed_cookie(ann())})


@pytest.mark.parametrize("is_admin", [False, True])
def test_disk_notice_offers_the_backup_to_admins_only(
    monkeypatch: pytest.MonkeyPatch, is_admin: bool
) -> None:
    monkeypatch.setenv("DISK_IS_KEPT", "false")
    monkeypatch.setenv("DATABASE_URL", "sqlite:///parley.db")  # a server's is not on this disk
    monkeypatch.setenv("ADMIN_EMAILS", "ann@x.org" if is_admin else "bob@x.org")
    page = open_page(**ann(email_verified=True)).run()
    assert "may be emptied" in texts(page)
    offered = [each.proto.label for each in page.get("page_link")]
    assert ("Backup" in offered) is is_admin
