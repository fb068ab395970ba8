"""Provider protocol: models, requests and the deltas of a streamed reply.

All streams run on the event loop of `chat.replies.runner`. A stream must not block that loop. It
closes its connection when it is cancelled and raises only `ProviderError`s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

from chat.domain.message import Role, Usage
from chat.errors import ProviderError


@dataclass(frozen=True, slots=True)
class Model:
    """A model on offer. `ref` is "provider/model id", unique across providers."""

    provider: str
    id: str
    window_tokens: int | None = None  # None: unknown
    vision: bool | None = None  # whether it accepts images; None: unknown

    @property
    def ref(self) -> str:
        return f"{self.provider}/{self.id}"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in a request."""

    media_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a request, with documents as part of the text. Roles alternate."""

    role: Role
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Request:
    """One call of a model. `partial_answer` is the text of an answer to continue, or empty."""

    model: str  # the model id, without the provider's name
    turns: tuple[Turn, ...]
    system_prompt: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    partial_answer: str = ""


@dataclass(frozen=True, slots=True)
class Delta:
    """A part of a reply. The last ones carry `finish_reason` and, if reported, `usage`.

    `problem` is shown below a reply that is complete in spite of it.
    """

    text: str = ""
    reasoning: str = ""
    finish_reason: str | None = None  # "stop", "length", …
    usage: Usage | None = None
    problem: ProviderError | None = None


class Provider(Protocol):
    """A source of models.

    `name` is the first part of a model's ref ("openai"), `label` is shown to users ("OpenAI").
    """

    name: str
    label: str

    def models(self) -> tuple[Model, ...]:
        """Return the models known so far, best first. Does not block."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Delta]:
        """Yield the reply in parts; the last delta has a `finish_reason`.

        Raises a `ProviderError` for every failure, also after some text.
        """
        ...

    async def discover(self) -> None:
        """Refresh the list of models; a failure keeps the previous list."""
        ...

    async def close(self) -> None:
        """Close the open connections."""
        ...
