"""Chainlit with the openai SDK, following its cookbook."""

import chainlit as cl
from openai import AsyncOpenAI

client = AsyncOpenAI()


@cl.on_chat_start
def begin() -> None:
    cl.user_session.set("history", [])


@cl.on_message
async def answer(message: cl.Message) -> None:
    history = cl.user_session.get("history")
    history.append({"role": "user", "content": message.content})
    reply = cl.Message(content="")
    stream = await client.chat.completions.create(model="bench", messages=history, stream=True)
    async for chunk in stream:
        if chunk.choices and (token := chunk.choices[0].delta.content):
            await reply.stream_token(token)
    history.append({"role": "assistant", "content": reply.content})
    await reply.update()
