"""Other chat apps, each in its own environment and written as its documentation recommends."""

from __future__ import annotations

from benchmarks.apps.server import SCRIPTS, Server
from benchmarks.environments import installed, versions


class _Peer(Server):
    environment_name = ""

    def __init__(self, provider_url: str) -> None:
        super().__init__(provider_url)
        self.bin = installed(self.environment_name)

    def versions(self) -> dict[str, str]:
        return versions(self.environment_name)


class Chainlit(_Peer):
    name = "Chainlit"
    environment_name = "chainlit"
    box = "#chat-input"

    def command(self) -> list[str]:
        script = str(SCRIPTS / "chainlit_app.py")
        port = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(self.bin / "chainlit"), "run", script, "--headless", *port]

    def environment(self) -> dict[str, str]:
        return {"CHAINLIT_APP_ROOT": str(self.folder)}


class Gradio(_Peer):
    name = "Gradio"
    environment_name = "gradio"
    box = '[data-testid="textbox"]'

    def command(self) -> list[str]:
        return [str(self.bin / "python"), str(SCRIPTS / "gradio_app.py")]

    def environment(self) -> dict[str, str]:
        port = str(self.port)
        return {"GRADIO_SERVER_PORT": port, "GRADIO_ANALYTICS_ENABLED": "False"}


class OpenWebUI(_Peer):
    name = "Open WebUI"
    environment_name = "open-webui"
    box = "#chat-input"
    answers_at = "/health"

    def command(self) -> list[str]:
        port = ["--host", "127.0.0.1", "--port", str(self.port)]
        return [str(self.bin / "open-webui"), "serve", *port]

    def environment(self) -> dict[str, str]:
        off = (
            "ENABLE_OLLAMA_API",
            "ENABLE_TITLE_GENERATION",
            "ENABLE_TAGS_GENERATION",
            "ENABLE_FOLLOW_UP_GENERATION",
            "ENABLE_VERSION_UPDATE_CHECK",
            "WEBUI_AUTH",
        )
        return {
            "DATA_DIR": str(self.folder),
            "OPENAI_API_BASE_URL": self.provider_url,
            "DEFAULT_MODELS": "bench",
            "WEBUI_SECRET_KEY": "bench",
            "OFFLINE_MODE": "True",
            "HF_HUB_OFFLINE": "1",
            **dict.fromkeys(off, "False"),
        }
