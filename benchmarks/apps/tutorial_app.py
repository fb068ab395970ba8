"""The chat app from Streamlit's tutorial, the reference that Parley is compared with.

Added for the benchmark: `?messages=2000` starts with that many messages.
"""

import streamlit as st
from openai import OpenAI

st.title("ChatGPT-like clone")

client = OpenAI()

if "messages" not in st.session_state:
    st.session_state.messages = []
    if count := int(st.query_params.get("messages", "0")):
        from benchmarks.words import reply

        text = "".join(reply("", 120))
        for number in range(count // 2):
            st.session_state.messages += [
                {"role": "user", "content": f"Question {number} of the past"},
                {"role": "assistant", "content": text},
            ]

for message in st.session_state.messages:
    with st.chat_message(message["role"]):
        st.markdown(message["content"])

if prompt := st.chat_input("What is up?"):
    st.session_state.messages.append({"role": "user", "content": prompt})
    with st.chat_message("user"):
        st.markdown(prompt)

    with st.chat_message("assistant"):
        stream = client.chat.completions.create(
            model="bench",
            messages=[
                {"role": message["role"], "content": message["content"]}
                for message in st.session_state.messages
            ],
            stream=True,
        )
        response = st.write_stream(stream)
    st.session_state.messages.append({"role": "assistant", "content": response})
