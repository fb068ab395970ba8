"""Answer this computer only, unless the administrator has chosen an address to listen on.

`streamlit run` listens on all interfaces by default, and binds its socket before it imports the
app. So connections from other computers are refused here. In a container and on hosts that run
apps, all connections come from elsewhere: there the default is kept.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server.listening import is_loopback

_CONTAINER_FILES = (".dockerenv", "run/.containerenv", "mount/src")  # the last: Community Cloud
_HOSTED = (
    "AWS_EXECUTION_ENV",
    "CODESPACES",
    "CONTAINER_APP_NAME",  # Azure
    "DYNO",  # Heroku
    "FLY_APP_NAME",
    "GITPOD_WORKSPACE_ID",
    "KUBERNETES_SERVICE_HOST",
    "K_SERVICE",  # Cloud Run
    "RAILWAY_ENVIRONMENT",
    "RENDER",
    "REPL_ID",
    "SPACE_ID",  # Hugging Face
    "VCAP_APPLICATION",  # Cloud Foundry
    "WEBSITE_SITE_NAME",  # Azure
    "container",  # Podman, systemd-nspawn
)
_SENTENCE = (
    "Parley answers only the computer that it runs on. To let others in, start it with "
    "--server.address=0.0.0.0 and set ACCESS_CODE or sign-in first."
)


class LocalOnly:
    """ASGI middleware that refuses connections to an address other than that of this machine."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The address that the client has connected to. The client's own address may be taken from
        # a header.
        server = scope.get("server")
        if scope["type"] == "lifespan" or server is None or is_loopback(str(server[0])):
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(_SENTENCE, 403)(scope, receive, send)


def is_hosted(environment: Mapping[str, str] = os.environ, root: Path = Path("/")) -> bool:
    """Return whether this process runs in a container or on a host that runs apps."""
    is_container = any((root / each).exists() for each in _CONTAINER_FILES)
    return is_container or any(environment.get(each) for each in _HOSTED)
