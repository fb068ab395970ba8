"""A minimal browser chat: a page of forty lines and a proxy of twenty."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

_PAGE = """<!doctype html><meta charset="utf-8"><title>Bare</title>
<style>pre { white-space: pre-wrap }</style>
<div id="talk"></div><textarea id="box"></textarea>
<script>
const talk = document.querySelector("#talk"), box = document.querySelector("#box")
const messages = []
const show = (text) => {
  const line = document.createElement("pre")
  line.append(text)
  talk.append(line)
  return line.firstChild
}
const ask = async (content) => {
  messages.push({role: "user", content})
  show(content)
  const body = JSON.stringify({model: "bench", messages, stream: true})
  const {body: stream} = await fetch("/chat", {method: "POST", body})
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader()
  const line = show("\\u200b")
  let rest = "", whole = ""
  for (;;) {
    const {done, value} = await reader.read()
    if (done) break
    const events = (rest + value).split("\\n\\n")
    rest = events.pop()
    let text = ""
    for (const event of events)
      if (event !== "data: [DONE]")
        text += JSON.parse(event.slice(6)).choices[0]?.delta.content || ""
    whole += text
    if (text) line.appendData(text)
  }
  messages.push({role: "assistant", content: whole})
}
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return
  event.preventDefault()
  ask(box.value)
  box.value = ""
})
</script>"""


async def page(_request: Request) -> HTMLResponse:
    return HTMLResponse(_PAGE)


async def chat(request: Request) -> StreamingResponse:
    client: httpx2.AsyncClient = request.app.state.client
    headers = {"content-type": "application/json"}
    asked = client.build_request(
        "POST", "chat/completions", content=await request.body(), headers=headers
    )
    answer = await client.send(asked, stream=True)

    async def body() -> AsyncIterator[bytes]:
        try:
            async for chunk in answer.aiter_raw():
                yield chunk
        finally:
            await answer.aclose()

    return StreamingResponse(body(), media_type="text/event-stream")


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    url = os.environ["OPENAI_BASE_URL"]
    async with httpx2.AsyncClient(base_url=url, timeout=None, trust_env=False) as client:
        app.state.client = client
        yield


app = Starlette(
    routes=[Route("/", page), Route("/chat", chat, methods=["POST"])], lifespan=lifespan
)
