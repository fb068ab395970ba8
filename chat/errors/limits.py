"""What a visitor, all together, or an admin does not allow."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import Refused


class ModelDisabled(Refused):
    code = "model_off"

    def __init__(self, model: str = "…") -> None:
        super().__init__(
            f"{model} is switched off for now. Choose another model in the sidebar; "
            "Guide always answers."
        )


class PriceUnknown(Refused):
    code = "price_unknown"

    def __init__(self, model: str = "…") -> None:
        super().__init__(
            f"The price of {model} is not known, and spending is limited here. Choose another "
            "model, or have its price set in MODEL_PRICES."
        )


class RequestTooLarge(Refused):
    code = "request_too_large"

    def __init__(self, tokens: int = 9_001, limit: int = 8_000) -> None:
        super().__init__(
            f"This takes about {tokens:,} tokens with what goes along, and at most {limit:,} are "
            "allowed. Shorten it, or clear the context in the sidebar."
        )


class RequestTooExpensive(Refused):
    code = "request_too_dear"

    def __init__(self, cost: str = "…", limit: str = "…") -> None:
        super().__init__(
            f"This could cost ${cost}, more than the ${limit} of a whole day. Lower the reply "
            "length, clear the context, or choose a cheaper model."
        )


class LimitReached(Refused):
    """Not now. `again_at` is when the same can be asked again; None when nobody can tell."""

    code = "limit_reached"
    template = "A limit is reached. Try again {when}."

    def __init__(
        self,
        *,
        when: str = "…",
        again_at: datetime | None = None,
        limit: str = "…",
        span: str = "…",
    ) -> None:
        self.again_at = again_at
        super().__init__(self.template.format(when=when, limit=limit, span=span))


class TooManyMessages(LimitReached):
    code = "too_many_messages"
    template = (
        "You have sent {limit} messages within {span}, the most allowed. You can send again {when}."
    )


class TooManyReplies(LimitReached):
    code = "too_many_replies"
    template = (
        "You have replies being written already, the most at once here: {limit}. "
        "Wait for one to end, or stop it."
    )


class TokenLimitReached(LimitReached):
    code = "tokens_spent"
    template = (
        "Your {limit} tokens for 24 hours do not suffice for this any more. "
        "It is possible again {when}; Guide still answers."
    )


class SpendingLimitReached(LimitReached):
    code = "dollars_spent"
    template = (
        "Your ${limit} for 24 hours do not suffice for this any more. "
        "It is possible again {when}; Guide still answers."
    )


class InstanceLimit(LimitReached):
    code = "instance_limit"
    template = (
        "All visitors together have reached what is allowed here: {limit}. It is possible "
        "again {when}. Guide still answers: choose it in the sidebar."
    )
