"""Security headers of every response, from our middleware around Streamlit's server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit import config

from chat import SettingsError, read_settings
from pages.streamlit_patches.index_page import index_html
from server.security_headers import page_policy, script_hashes
from tests.support.app_server import ROOT
from tests.support.middleware import middleware, routes

SCRIPT = Path(re.findall(r'src="\./(static/js/[^"]+)"', index_html())[0])
_POLICY = "content-security-policy"


async def _echo(request: Request) -> PlainTextResponse:
    if request.path_params["rest"] == "fail":
        raise RuntimeError
    return PlainTextResponse("here")


def client(base_url: str = "http://testserver", **config: str) -> TestClient:
    """Return a client of an app that answers every path, behind our middleware."""
    inner = Starlette(
        routes=[*routes(), Route("/{rest:path}", _echo)], middleware=middleware(**config)
    )
    return TestClient(inner, base_url, raise_server_exceptions=False)


@pytest.fixture(scope="module")
def served() -> Iterator[TestClient]:
    """Streamlit's own server in this process, as `streamlit run app.py` makes it."""
    app = st.App(str(ROOT / "app.py"), routes=routes(), middleware=middleware())
    with TestClient(app, base_url="http://localhost:8501") as client:
        yield client


PATHS = [
    ("/", 200),
    ("/history", 200),
    ("/shared?s=x", 200),
    (f"/static/js/{SCRIPT.name}", 200),
    ("/_stcore/health", 200),
    ("/_stcore/host-config", 200),
    ("/_stcore/metrics", 404),
    ("/healthz", 200),
    ("/media/nothing.png", 404),
    ("/component/nobody/index.html", 404),
    ("/history/_stcore/health", 404),
    ("//example.com/", 400),
    ("/..%5c..%5cx", 400),
]


@pytest.mark.parametrize(("path", "status"), PATHS, ids=[path for path, _ in PATHS])
def test_every_response_has_the_security_headers(
    served: TestClient, path: str, status: int
) -> None:
    response = served.request("GET", f"http://localhost:8501{path}", follow_redirects=False)
    assert response.status_code == status
    headers = response.headers
    assert "default-src 'none'" in headers[_POLICY]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-dns-prefetch-control"] == "off"
    assert "microphone=(self)" in headers["permissions-policy"]
    assert "camera=()" in headers["permissions-policy"]
    expected = "no-referrer" if path.startswith("/shared") else "same-origin"
    assert headers["referrer-policy"] == expected
    assert "strict-transport-security" not in headers


def test_shared_pages_are_private_below_a_base_path() -> None:
    for path in ("/shared", "/chat/shared/", "/chat/shared?s=x"):
        headers = client().get(path).headers
        assert (headers["x-robots-tag"], headers["cache-control"], headers["referrer-policy"]) == (
            "noindex, nofollow",
            "no-store",
            "no-referrer",
        )
    assert "x-robots-tag" not in client().get("/chat").headers
    assert client().get("/chat/_stcore/metrics").status_code == 404


def test_policy_allows_the_inline_script_of_the_served_page(served: TestClient) -> None:
    response = served.get("/")
    (found,) = re.findall(r"script-src ([^;]*);", response.headers[_POLICY])
    hashes = script_hashes(response.text)
    assert len(hashes) == 1
    assert found.split() == ["'self'", "blob:", "'wasm-unsafe-eval'", *hashes]


def test_script_hashes_cover_inline_scripts_only() -> None:
    page = (
        "<!-- <script>no()</script> --><script>\r\n1\r\n</script>"
        '<script src="x.js"></script><SCRIPT type="module">2</SCRIPT>'
    )
    # printf '\n1\n' | openssl dgst -sha256 -binary | base64
    first, second = script_hashes(page)
    assert first == "'sha256-PBL+VNcqg2ezLpeQ7yj8J15XmnKAnnIb2qth9B/WTJ4='"
    assert second == "'sha256-1HNeOiZeFu7gP1lxi5tdAwGcB9i2xR+Q2jpmbuwTqzU='"


def test_policy_names_no_other_origin() -> None:
    policy = page_policy([], "'self'", ["here:8501/base"])
    words = set(re.split(r"[; ]+", policy))
    allowed = {"'self'", "'none'", "'unsafe-inline'", "'wasm-unsafe-eval'", "data:", "blob:"}
    ours = {word for word in words if word.startswith("here:8501/base/")}
    assert {word for word in words if not word.endswith("-src")} - allowed - ours == {
        "base-uri",
        "form-action",
        "frame-ancestors",
    }
    assert "script-src 'self' blob: 'wasm-unsafe-eval';" in policy


def sources(response: Any, directive: str) -> list[str]:
    (found,) = re.findall(rf"{directive} ([^;]*)", response.headers[_POLICY])
    return str(found).split()


def test_images_and_sounds_come_from_the_paths_that_serve_them(served: TestClient) -> None:
    page, host = served.get("/"), "localhost:8501"
    files = [f"{host}/media/", f"{host}/static/", f"{host}/favicon.png"]
    assert sources(page, "img-src") == [*files, "data:", "blob:"]
    assert sources(page, "media-src") == [f"{host}/media/", "blob:"]


@pytest.mark.parametrize(
    ("headers", "hosts"),
    [
        ({"host": "parley.example"}, ["parley.example"]),
        ({"host": "10.0.0.1:8080"}, ["10.0.0.1:8080"]),
        ({"host": "inner", "x-forwarded-host": "outer.example"}, ["inner", "outer.example"]),
        ({"host": "one", "x-forwarded-host": "one, two"}, ["one"]),
        ({"host": "*"}, []),
        ({"host": "x; script-src *"}, []),
        ({"host": "x y"}, []),
        ({"host": "https://x"}, []),
        ({"host": "x/auth/"}, []),
        ({"host": "'self'"}, []),
        ({"host": "x:99999999"}, []),
        ({"host": "a.example", "x-forwarded-host": "*; img-src *"}, ["a.example"]),
    ],
)
def test_policy_names_the_host_of_the_request(headers: dict[str, str], hosts: list[str]) -> None:
    found = sources(client().get("/", headers=headers), "media-src")
    assert found == [*(f"{each}/media/" for each in hosts), "blob:"]


@pytest.mark.parametrize("host", ["my_server:8501", "[::1]:8501", "[::1]", "_dev", "a_b.c:1"])
def test_images_may_come_from_our_origin_if_a_policy_cannot_name_the_host(host: str) -> None:
    assert sources(client().get("/", headers={"host": host}), "img-src")[0] == "'self'"


def test_images_of_an_app_below_a_path_come_from_below_it() -> None:
    with _base_url_path("below"):
        assert "testserver/below/media/" in sources(client().get("/below/"), "img-src")


@contextmanager
def _base_url_path(path: str) -> Iterator[None]:
    before = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", path)
    try:
        yield
    finally:
        config.set_option("server.baseUrlPath", before)


def test_media_files_are_served_with_a_sandbox_policy(served: TestClient) -> None:
    from streamlit.runtime import get_instance

    media = get_instance().media_file_mgr
    html = b"<script>alert(1)</script>"
    # Added to the storage that /media reads from: there is no session.
    file = media._storage.load_and_get_id(html, "text/html", kind=_media_kind(), filename=None)
    response = served.get(media._storage.get_url(file))
    assert response.content == html
    policy = response.headers[_POLICY]
    assert policy.startswith("default-src 'none';")
    assert "sandbox" in policy.split("; ")
    assert "script-src" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def _media_kind() -> Any:
    from streamlit.runtime.media_file_storage import MediaFileKind

    return MediaFileKind.MEDIA


def test_an_internal_server_error_has_the_security_headers() -> None:
    response = client().get("/fail")
    assert response.status_code == 500
    assert response.text == "Internal Server Error"
    assert "default-src 'none'" in response.headers[_POLICY]


def test_strict_transport_security_is_sent_over_https_only() -> None:
    plain = client(base_url="http://example.com").get("/x").headers
    assert "strict-transport-security" not in plain
    assert "cross-origin-opener-policy" not in plain  # browsers warn that they ignore it
    direct = client(base_url="https://example.com").get("/x").headers
    proxied = [
        client().get("/x", headers={"X-Forwarded-Proto": proto}).headers
        for proto in ("https", "HTTPS", "https,http")
    ]
    for headers in (direct, *proxied):
        assert headers["strict-transport-security"].startswith("max-age=")
        assert headers["cross-origin-opener-policy"] == "same-origin"


def test_frame_ancestors_setting_allows_another_origin() -> None:
    headers = client(FRAME_ANCESTORS="https://*.streamlit.app 'self'").get("/x").headers
    assert headers[_POLICY].endswith("frame-ancestors 'self' https://*.streamlit.app")
    assert "x-frame-options" not in headers


def test_frame_ancestors_setting_accepts_none_and_any_port() -> None:
    headers = client(FRAME_ANCESTORS="'none'").get("/x").headers
    assert headers[_POLICY].endswith("frame-ancestors 'none'")
    assert headers["x-frame-options"] == "DENY"
    headers = client(FRAME_ANCESTORS="http://localhost:*").get("/x").headers
    assert headers[_POLICY].endswith("'self' http://localhost:*")


def test_responses_with_the_visitor_cookie_are_not_cached_by_proxies(served: TestClient) -> None:
    page = served.get("/")
    assert "set-cookie" in page.headers
    assert page.headers["cache-control"] == "private, no-cache"
    assert served.get("/shared?s=x").headers["cache-control"] == "no-store"
    served.cookies.clear()
    picture = served.get("/favicon.png")
    assert "public" in picture.headers["cache-control"]
    assert "set-cookie" not in picture.headers


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://a; script-src *",
        "a, b",
        "'none' 'self'",
        "data:",
        "a/b",
        "https://a:*8",
        "a:**",
    ],
)
def test_invalid_frame_ancestors_are_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="FRAME_ANCESTORS"):
        read_settings({"FRAME_ANCESTORS": value})


SAFE = {
    "server.enableXsrfProtection": True,
    "server.enableCORS": True,
    "server.enableStaticServing": False,
    "server.enableAgentApi": False,
    "server.maxUploadSize": 500,  # the largest import
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.toolbarMode": "viewer",
    "runner.fastReruns": False,  # see tests/pages/test_rapid_requests.py
}


@pytest.mark.parametrize("name", SAFE)
def test_streamlit_options_are_safe(name: str) -> None:
    config.get_config_options(force_reparse=True)  # another test may have run in another folder
    assert config.get_option(name) == SAFE[name]


def test_images_may_come_from_our_origin_if_the_address_is_not_known() -> None:
    policy = page_policy([], "'self'", None)
    assert "img-src 'self' data: blob:;" in policy and "media-src 'self' blob:;" in policy


@pytest.mark.parametrize(
    ("prefix", "path"),
    [("/chat", "/chat"), ("/a/b/", "/a/b"), ("x", None), ("/a b", None), ("/; img-src *", None)],
)
def test_images_may_come_from_the_prefix_that_a_proxy_removes(
    prefix: str, path: str | None
) -> None:
    found = sources(client().get("/", headers={"x-forwarded-prefix": prefix}), "media-src")
    ours = [] if path is None else [f"testserver{path}/media/"]
    assert found == ["testserver/media/", *ours, "blob:"]
