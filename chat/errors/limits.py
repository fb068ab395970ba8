"""Requests refused by a usage limit or by the administrator."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import Refused


class ModelDisabled(Refused):
    code = "model_off"
    sentence = (
        "{model} is currently disabled. Choose another model in the sidebar; "
        "Guide is always available."
    )

    def __init__(self, model: str) -> None:
        super().__init__(model=model)


class PriceUnknown(Refused):
    code = "price_unknown"
    sentence = (
        "The price of {model} is unknown, and spending is limited here. Choose another model, "
        "or ask the administrator to set its price in MODEL_PRICES."
    )

    def __init__(self, model: str) -> None:
        super().__init__(model=model)


class RequestTooLarge(Refused):
    code = "request_too_large"
    sentence = (
        "This request has about {tokens:,} tokens including its context; the limit is {limit:,}. "
        "Shorten the message, or clear the context in the sidebar."
    )

    def __init__(self, tokens: int, limit: int) -> None:
        super().__init__(tokens=tokens, limit=limit)


class RequestTooExpensive(Refused):
    code = "request_too_dear"
    sentence = (
        "This request could cost ${cost}, more than the daily limit of ${limit}. Reduce the reply "
        "length, clear the context, or choose a cheaper model."
    )

    def __init__(self, cost: str, limit: str) -> None:
        super().__init__(cost=cost, limit=limit)


class StorageFull(Refused):
    code = "storage_full"
    sentence = (
        "This would exceed the {limit} that your conversations and files may take up. "
        "Delete some conversations for good, then try again."
    )

    def __init__(self, limit: str) -> None:
        super().__init__(limit=limit)


class LimitReached(Refused):
    """A limit is used up for now.

    `again_at` is the time when the same request becomes possible, or None if it is unknown;
    `when` is the same in words.
    """

    code = "limit_reached"
    sentence = "A usage limit is reached. Try again {when}."

    def __init__(
        self,
        *,
        when: str = "later",
        again_at: datetime | None = None,
        limit: str = "",
        span: str = "",
    ) -> None:
        self.again_at = again_at
        super().__init__(when=when, limit=limit, span=span)


class TooManyMessages(LimitReached):
    code = "too_many_messages"
    sentence = "You have reached the limit of {limit} messages within {span}. Try again {when}."


class TooManyReplies(LimitReached):
    code = "too_many_replies"
    sentence = (
        "You have reached the limit of replies written at the same time: {limit}. "
        "Wait for one to finish, or stop it."
    )


class TokenLimitReached(LimitReached):
    code = "tokens_spent"
    sentence = (
        "This would exceed your limit of {limit} tokens within 24 hours. "
        "Try again {when}. Guide is still available."
    )


class SpendingLimitReached(LimitReached):
    code = "dollars_spent"
    sentence = (
        "This would exceed your limit of ${limit} within 24 hours. "
        "Try again {when}. Guide is still available."
    )


class InstanceLimit(LimitReached):
    code = "instance_limit"
    sentence = (
        "The limit for all users of this installation is reached: {limit}. Try again {when}. "
        "Guide is still available; choose it in the sidebar."
    )
