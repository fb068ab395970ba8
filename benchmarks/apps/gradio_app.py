"""Gradio's ChatInterface with the openai SDK, following its guide."""

from collections.abc import Iterator

import gradio as gr
from openai import OpenAI

client = OpenAI()


def answer(message: str, history: list[dict]) -> Iterator[str]:
    turns = [{"role": turn["role"], "content": turn["content"]} for turn in history]
    stream = client.chat.completions.create(
        model="bench", messages=[*turns, {"role": "user", "content": message}], stream=True
    )
    text = ""
    for chunk in stream:
        if chunk.choices and (token := chunk.choices[0].delta.content):
            text += token
            yield text


gr.ChatInterface(answer).launch(server_name="127.0.0.1")
