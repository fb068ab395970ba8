"""Sign-in with a real OpenID provider; forged and expired cookies are rejected."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from playwright.sync_api import BrowserContext, Page, expect

from chat import Submission, open_chat, visitor_from_cookie
from chat.errors import NotAllowed, NotFound, SignInExpired
from tests.support.app_server import AppServer
from tests.support.chat_page import Chat
from tests.support.openid_provider import COOKIE_SECRET, OpenIDProvider

pytestmark = [pytest.mark.browser, pytest.mark.slow]
USER = "_streamlit_user"
Arrive = Callable[..., Chat]


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIDProvider]:
    people = {"ann": "Ann@x.example", "bob": "bob@x.example", "eve": "eve@x.example.evil.example"}
    with OpenIDProvider(**people) as provider:
        yield provider


@pytest.fixture(scope="module")
def app(provider: OpenIDProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AppServer]:
    config = {"ALLOWED_EMAILS": "x.example", "ADMIN_EMAILS": "ann@x.example"}
    app = AppServer(tmp_path_factory.mktemp("sign-in"), **config)
    app.write_secrets(provider.secrets)
    with app:
        provider.wait()
        yield app


@pytest.fixture
def arrive(
    shared_context: BrowserContext, app: AppServer, provider: OpenIDProvider
) -> Iterator[Arrive]:
    """Open the app without cookies and sign in as `subject`, if one is given."""
    pages: list[Page] = []

    def arrive(subject: str = "", path: str = "/") -> Chat:
        shared_context.clear_cookies()
        chat = Chat(shared_context.new_page(), app.url)
        pages.append(chat.page)
        chat.page.route("https://**", lambda route: route.abort())  # the provider's style sheet
        chat.page.goto(app.url + path)
        if subject:
            sign_in(chat, provider, subject)
        return chat

    yield arrive
    for page in pages:
        page.close()
    shared_context.clear_cookies()


def sign_in(chat: Chat, provider: OpenIDProvider, subject: str) -> None:
    chat.press("sign_in")
    provider.choose(chat.page, subject)
    expect(chat.key("sign_out")).to_be_visible(timeout=20_000)


def expect_gate(page: Page) -> None:
    expect(page.locator(".st-key-sign_in")).to_be_visible(timeout=20_000)
    expect(page.locator(".st-key-composer, .st-key-sign_out, .st-key-conversations")).to_have_count(
        0
    )


def test_accounts_are_isolated_and_can_sign_out(
    arrive: Arrive, app: AppServer, provider: OpenIDProvider
) -> None:
    ann = arrive()
    expect_gate(ann.page)
    ann.page.goto(f"{app.url}/history?c=1")
    expect_gate(ann.page)
    sign_in(ann, provider, "ann")
    assert ann.page.url == f"{app.url}/"
    expect(ann.key("account")).to_contain_text("Ann@x.example · admin")
    ann.send("Perfect")
    ann.page.wait_for_url("**/?c=*")
    conversation = ann.conversation_id
    ann.press("sign_out")
    provider.confirm_sign_out(ann.page)
    expect_gate(ann.page)
    assert USER not in {cookie["name"] for cookie in ann.page.context.cookies()}
    ann.page.goto(f"{app.url}/?c={conversation}")
    expect_gate(ann.page)

    bob = arrive("bob")
    expect(bob.key("account")).to_contain_text("bob@x.example")
    expect(bob.key("account")).not_to_contain_text("admin")
    expect(bob.key("conversations").locator("button")).to_have_count(0)
    bob.page.goto(f"{app.url}/?c={conversation}")
    expect(bob.page.get_by_text(NotFound.sentence)).to_be_visible()
    expect(bob.messages).to_have_count(0)


def test_copied_cookie_is_worthless_after_the_sign_out(
    arrive: Arrive, app: AppServer, provider: OpenIDProvider
) -> None:
    ann = arrive("ann")
    cookies = ann.page.context.cookies()
    other_tab = ann.page.context.new_page()
    other_tab.goto(app.url)
    expect(other_tab.locator(".st-key-composer")).to_be_visible()
    ann.press("sign_out")
    provider.confirm_sign_out(ann.page)
    expect_gate(ann.page)
    ann.page.context.add_cookies(cookies)  # type: ignore[arg-type]
    ann.page.goto(app.url)
    expect_gate(ann.page)
    expect_gate(other_tab)  # when its list of conversations is next refreshed
    other_tab.close()


def test_requests_of_an_image_or_a_link_do_not_sign_out(arrive: Arrive, app: AppServer) -> None:
    ann = arrive("ann")
    logout = f"{app.url}/auth/logout"
    blocked = ann.page.evaluate(
        """(url) => new Promise((done) => {
            document.addEventListener("securitypolicyviolation",
                (event) => done(event.violatedDirective));
            const image = document.createElement("img");
            image.onload = image.onerror = () => setTimeout(() => done("loaded"), 1000);
            image.src = url;
            document.body.append(image);
        })""",
        logout,
    )
    assert blocked == "img-src"
    assert ann.page.request.get(logout, max_redirects=0).status == 403
    ann.page.goto(logout)  # as a link in an answer
    expect(ann.page.get_by_text("use the button in the sidebar")).to_be_visible()
    ann.page.goto(app.url)
    expect(ann.key("account")).to_contain_text("Ann@x.example")


def test_account_not_in_allowed_emails_is_refused(arrive: Arrive) -> None:
    eve = arrive("eve")
    expect(eve.page.get_by_text(NotAllowed.sentence)).to_be_visible()
    expect(eve.page.locator(".st-key-composer, .st-key-conversations")).to_have_count(0)
    expect(eve.button("sign_out")).to_be_enabled()


def signed(claims: dict[str, Any], secret: str = COOKIE_SECRET, days_ago: float = 0) -> str:
    """Return a cookie as Streamlit signs it, `days_ago` days old."""

    class Signer(TimestampSigner):
        def get_timestamp(self) -> int:
            return super().get_timestamp() - int(days_ago * 86_400)

    serializer = URLSafeTimedSerializer(secret, salt=USER, signer=Signer)
    return str(serializer.dumps(json.dumps(claims)))


def test_forged_and_expired_cookies_are_rejected(
    arrive: Arrive, app: AppServer, provider: OpenIDProvider
) -> None:
    """Streamlit reads the cookie when a page connects, so one browser can test several."""
    moment = datetime.now(UTC)
    claims: dict[str, Any] = {
        "iss": provider.url,
        "sub": "ann",
        "email": "ann@x.example",
        "iat": int(moment.timestamp()),
        "origin": app.url,
        "is_logged_in": True,
        "provider": "default",
    }
    right = signed(claims)
    body, time, signature = right.rsplit(".", 2)
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "bob"}).encode()).decode()
    long_ago = claims | {"iat": int((moment - timedelta(days=31)).timestamp())}
    chat = arrive()
    expect_gate(chat.page)

    def show(cookie: str) -> None:
        chat.page.context.add_cookies([{"name": USER, "value": cookie, "url": app.url}])
        chat.page.reload()

    for forged in (
        signed(claims, secret="another secret"),
        f"{other.rstrip('=')}.{time}.{signature}",
        f"{body}.{time}.",
        signed(claims, days_ago=32),  # rejected by Streamlit
    ):
        show(forged)
        expect_gate(chat.page)
    show(signed(long_ago))
    expect_gate(chat.page)
    expect(chat.page.get_by_text(SignInExpired.sentence)).to_be_visible()
    show(right)  # positive control
    expect(chat.composer).to_be_visible()


def test_visitor_conversations_move_to_the_account_once(
    arrive: Arrive, app: AppServer, provider: OpenIDProvider
) -> None:
    bob = arrive()
    expect_gate(bob.page)
    (cookie,) = (
        each["value"] for each in bob.page.context.cookies() if each["name"] == "parley_visitor"
    )
    owner = visitor_from_cookie(cookie.partition(".")[0]).owner
    service = open_chat({"DATABASE_URL": app.database_url, "FIND_LOCAL_SERVERS": "false"})
    try:
        answer = service.as_owner(owner).messages.send(None, Submission("From before"))
        service.as_owner(owner).messages.stop(answer.conversation_id)
        list(service.as_owner(owner).messages.follow(answer.id))
    finally:
        service.close()
    sign_in(bob, provider, "bob")
    expect(bob.key(f"open_{answer.conversation_id}")).to_have_count(0)
    bob.press("take_along")
    expect(bob.key(f"open_{answer.conversation_id}")).to_be_visible()
    expect(bob.key("take_along")).to_have_count(0)
    bob.reload()
    expect(bob.key(f"open_{answer.conversation_id}")).to_be_visible()
    expect(bob.key("take_along")).to_have_count(0)
