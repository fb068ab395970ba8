"""A simulated user: a tab that presses buttons, edits, stops, retries and reloads at random."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from benchmarks.provider import question
from benchmarks.streamlit_client import Tab
from benchmarks.words import new_name

ACTIONS = {"ask": 10, "stop": 3, "refresh": 3, "edit": 3, "retry": 3, "leave": 2, "new": 2}
TIMEOUT = 60.0  # seconds per action
REFUSED = "refused"  # recorded instead of the action if the message was refused
_KEY = re.compile(r"-([a-z_]+(?:_[0-9a-f]{30})?)$")


class WidgetTab(Tab):
    """A tab that finds widgets by their keys."""

    def __init__(self, url: str, query: str = "", cookies: str = "") -> None:
        super().__init__(url, query, cookies)
        self.widgets: dict[str, str] = {}  # id by key

    def _handle(self, data: bytes) -> bool:
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self.widgets.clear()
        elif kind == "delta":
            element = message.delta.new_element
            which = element.WhichOneof("type")
            if which in {"button", "text_area"}:
                id_ = getattr(element, which).id
                if found := _KEY.search(id_):
                    self.widgets[found[1]] = id_
        return super()._handle(data)

    def last_button(self, kind: str) -> str | None:
        """Return the key of the last button of a kind, such as "retry"."""
        found = [key for key in self.widgets if re.fullmatch(kind + "_[0-9a-f]{30}", key)]
        return found[-1] if found else None

    async def press(self, key: str, **typed: str) -> None:
        """Press a button, after typing `typed` into text fields by key."""
        assert self._socket is not None
        message = BackMsg()
        asked = message.rerun_script
        asked.query_string, asked.page_script_hash = self.query, self._script
        asked.cached_message_hashes.extend(self._cached)
        for name, text in typed.items():
            state = asked.widget_states.widgets.add()
            state.id, state.string_value = self.widgets[name], text
        state = asked.widget_states.widgets.add()
        state.id, state.trigger_value = self.widgets[key], True
        await self._socket.send(message.SerializeToString())

    async def wait_for_text(self, word: bytes, *, or_end: bool = False) -> bool:
        """Read until a message contains `word` or the script ends, and return whether it was shown.

        Text that is put back into the box was refused and does not count as shown.
        """
        async with asyncio.timeout(TIMEOUT):
            while True:
                data = await self._receive()
                is_over = self._handle(data)
                if word in data:
                    element = ForwardMsg.FromString(data).delta.new_element
                    return element.WhichOneof("type") not in {"chat_input", "text_area"}
                if is_over and or_end:
                    return False


class SimulatedUser:
    """A user performing random actions. `sent` lists the questions that the app must not lose.

    These are the questions that the app has shown. A question sent during a running reply is
    refused and is not among them.
    """

    def __init__(self, url: str, seed: int) -> None:
        self._url, self._random = url, random.Random(seed)
        self._tab = WidgetTab(url)
        self.sent: list[str] = []
        self.actions: Counter[str] = Counter()
        self.problems: list[str] = []

    async def run(self, until: float) -> None:
        """Perform random actions until the given time of the loop's clock."""
        loop = asyncio.get_running_loop()
        await self._tab.open()
        while loop.time() < until:
            names, weights = list(ACTIONS), list(ACTIONS.values())
            action = self._random.choices(names, weights)[0]
            try:
                done = await getattr(self, f"_{action}")()
                # An action is replaced if there is nothing to edit or retry.
                self.actions[done or action] += 1
            except Exception as error:
                self.problems.append(f"{action}: {type(error).__name__} {error}"[:120])
                await self._reload()
            await asyncio.sleep(self._random.uniform(0.2, 2.0))
        await self._tab.close()

    def _question(self, minimum: int = 20, maximum: int = 300) -> tuple[str, str]:
        """Return a name and a question for a reply of `least` to `most` tokens."""
        name = new_name()
        tokens, pace = self._random.randint(minimum, maximum), self._random.randint(80, 400)
        return name, question(name, tokens, pace)

    async def _is_shown(self, name: str) -> bool:
        """Return whether the question is part of the conversation."""
        is_shown = await self._tab.wait_for_text(name.encode())
        if is_shown:
            self.sent.append(name)
        return is_shown

    async def _ask(self) -> str | None:
        name, text = self._question()
        assert self._tab.chat_input is not None
        await self._tab.run_script({self._tab.chat_input: text})
        is_shown = await self._is_shown(name)
        await self._tab.finished(TIMEOUT)
        return None if is_shown else REFUSED

    async def _stop(self) -> str | None:
        name, text = self._question(500, 1500)
        assert self._tab.chat_input is not None
        await self._tab.run_script({self._tab.chat_input: text})
        if not await self._is_shown(name):
            await self._tab.finished(TIMEOUT)
            return REFUSED
        if "stop" not in self._tab.widgets and not await self._tab.wait_for_text(
            b"-stop", or_end=True
        ):
            return "ask"  # the reply ended first
        await asyncio.sleep(self._random.uniform(0, 0.7))
        await self._tab.press("stop")
        await self._tab.finished(TIMEOUT)
        return None

    async def _refresh(self) -> str | None:
        """Reload the page during a reply."""
        name, text = self._question()
        assert self._tab.chat_input is not None
        await self._tab.run_script({self._tab.chat_input: text})
        is_shown = await self._is_shown(name)
        await self._reload()
        return None if is_shown else REFUSED

    async def _leave(self) -> None:
        """Send a question and reload before it is shown; the app may lose it."""
        _, text = self._question()
        assert self._tab.chat_input is not None
        await self._tab.run_script({self._tab.chat_input: text})
        await self._reload()

    async def _reload(self) -> None:
        await self._tab.close()
        self._tab = WidgetTab(self._url, self._tab.query, self._tab.cookies)
        await self._tab.open()

    async def _edit(self) -> str | None:
        key = self._tab.last_button("edit")
        if key is None:
            return await self._ask() or "ask"
        id_ = key.removeprefix("edit_")
        await self._tab.press(key)
        while f"edit_text_{id_}" not in self._tab.widgets:  # a rerun may arrive first
            await self._tab.finished(TIMEOUT)
        name, text = self._question()
        await self._tab.press(f"edit_send_{id_}", **{f"edit_text_{id_}": text})
        is_shown = await self._is_shown(name)
        await self._tab.finished(TIMEOUT)
        return None if is_shown else REFUSED

    async def _retry(self) -> str | None:
        key = self._tab.last_button("retry")
        if key is None:
            return await self._ask() or "ask"
        await self._tab.press(key)
        await self._tab.finished(TIMEOUT)
        return None

    async def _new(self) -> None:
        await self._tab.press("new_chat")
        await self._tab.finished(TIMEOUT)
