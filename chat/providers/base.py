"""The seam to every model: what a request is, what comes back, and the protocol between.

A provider's stream runs on the one event loop of `chat.replies.buffer`. It must never block that
loop, must close its connection when it is cancelled, and raises only `ProviderError`s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from chat.domain.message import Role, Usage


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be chosen. `ref` is "provider/model id", unique across providers."""

    provider: str
    id: str
    window_tokens: int | None = None  # None: not known
    vision: bool | None = None  # whether it accepts images; None: unknown

    @property
    def ref(self) -> str:
        return f"{self.provider}/{self.id}"


@dataclass(frozen=True, slots=True)
class Picture:
    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as it is sent: documents are part of its text. Neighbours never share a role."""

    role: Role
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `continues` holds the answer so far when it should go on where it ended."""

    model: str  # the provider's own id, without the provider's name
    turns: tuple[Turn, ...]
    system_prompt: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    continues: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a reply. The last ones carry `finish_reason` and, where it is told, `usage`."""

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None  # "stop", "length", …
    usage: Usage | None = None


class Provider(Protocol):
    """A source of models.

    `name` is the first part of a model's ref ("openai"), `label` what people read ("OpenAI").
    """

    name: str
    label: str

    def models(self) -> tuple[Model, ...]:
        """The models known right now, best first, from memory: never waits."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """The reply, piece by piece; ends after a delta with a `finish_reason`.

        Raises a `ProviderError` for every failure, also after some text has come.
        """
        ...

    async def discover(self) -> None:
        """Ask the provider for its models and remember them; failing leaves the last list."""
        ...

    async def close(self) -> None:
        """Close the connections kept alive."""
        ...
