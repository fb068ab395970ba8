"""The model's side: every way a provider can fail."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import ParleyError
from chat.observability.redaction import redact


class ProviderError(ParleyError):
    """The model's side failed.

    Raised while streaming: the text that came before it is kept by whoever reads the stream.
    `provider` is the label people know; `retry_at` is set when the provider named a time.
    """

    code = "provider_error"
    template = "{provider} could not answer. Try again, or choose another model."

    def __init__(
        self,
        provider: str = "The provider",
        *,
        details: str = "",
        retry_at: datetime | None = None,
        secrets: tuple[str, ...] = (),
        **values: object,
    ) -> None:
        self.retry_at = retry_at
        super().__init__(
            redact(self.template.format(provider=provider, **values), secrets),
            details=redact(details, secrets),
        )


class WrongKey(ProviderError):
    code = "wrong_key"
    template = (
        "{provider} did not accept the API key. Check the key in the configuration, then retry."
    )


class NoPermission(ProviderError):
    code = "no_permission"
    template = (
        "The API key may not use this model at {provider}. Choose another model, "
        "or have the key's permissions widened."
    )


class UnknownModel(ProviderError):
    code = "unknown_model"
    template = "{provider} does not know the model “{model}”. Choose another one in the sidebar."


class ContextTooLong(ProviderError):
    code = "context_too_long"
    template = (
        "The conversation is longer than the model can read. Clear the context in the sidebar, "
        "shorten the message, or choose a model with a larger window."
    )


class RefusedParameter(ProviderError):
    code = "refused_parameter"
    template = (
        "{provider} does not accept one of the settings for this model. "
        "Set the temperature and the reply length back, or choose another model."
    )


class BadRequest(ProviderError):
    code = "bad_request"
    template = "{provider} could not read the request. The details say why."


class NoCredit(ProviderError):
    code = "no_credit"
    template = (
        "The account at {provider} has no credit left. Top it up, or choose another provider."
    )


class RateLimited(ProviderError):
    code = "rate_limited"
    template = "{provider} is receiving too many requests. Wait a moment, then retry."


class ContentFiltered(ProviderError):
    code = "content_filtered"
    template = "{provider}'s content filter ended this reply. Try to put the question differently."


class ImagesRefused(ProviderError):
    code = "images_refused"
    template = (
        "{provider} says that this model reads no images. "
        "Choose another model, or edit the message and leave the image out."
    )


class ProviderDown(ProviderError):
    code = "provider_down"
    template = "{provider} has a problem on its side. Retry in a moment, or choose another model."


class NameNotFound(ProviderError):
    code = "name_not_found"
    template = (
        "The address of {provider} could not be found. "
        "Check the network and the base URL in the configuration."
    )


class TlsFailed(ProviderError):
    code = "tls_failed"
    template = (
        "No secure connection to {provider} could be made: its certificate was not accepted. "
        "Check the base URL and the machine's certificates."
    )


class ConnectionRefused(ProviderError):
    code = "connection_refused"
    template = "{provider} cannot be reached. Is it running, and is the base URL right?"


class ConnectionLost(ProviderError):
    code = "connection_lost"
    template = "The connection to {provider} failed. Check the network, then retry."


class FirstTokenTimeout(ProviderError):
    code = "first_token_timeout"
    template = (
        "{provider} did not begin to answer within {seconds:g} s. Retry, or choose another model."
    )


class StreamStalled(ProviderError):
    code = "stalled"
    template = (
        "{provider} went silent for {seconds:g} s in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class StreamInterrupted(ProviderError):
    code = "cut_off"
    template = (
        "The connection to {provider} broke in the middle of the reply. "
        "What came before is kept: continue or retry."
    )


class IncompleteReply(ProviderError):
    code = "unfinished"
    template = (
        "{provider} ended the reply without saying that it was complete. "
        "What came is kept: continue or retry."
    )


class EmptyReply(ProviderError):
    code = "empty_reply"
    template = "{provider} sent an empty reply. Retry, or choose another model."


class OnlyReasoning(ProviderError):
    code = "only_thinking"
    template = (
        "The model used its whole reply for thinking and wrote no answer. "
        "Raise the reply length in the sidebar, then retry."
    )


class MalformedResponse(ProviderError):
    code = "malformed"
    template = (
        "{provider} sent something that is not a reply. "
        "Check that the base URL is that of an OpenAI-compatible API."
    )


class ModelNotLoaded(ProviderError):
    code = "model_not_loaded"
    template = (
        "The local model could not be loaded. Check that LOCAL_MODEL names a complete GGUF file "
        "that fits into memory."
    )


class RedirectRefused(ProviderError):
    code = "redirected"
    template = (
        "{provider} sends requests on to another address, where neither the key nor the "
        "conversation is sent. Check the base URL in the configuration."
    )


class AddressRefused(ProviderError):
    code = "address_refused"
    template = (
        "This address cannot be used. It must begin with https:// and lead to a server "
        "in the public internet."
    )


class OwnKeyMissing(ProviderError):
    code = "own_key_missing"
    template = (
        "This conversation uses a key of yours for {provider}, and it is no longer here. "
        "Type it again under “Your own key”, or choose another model."
    )


class OwnKeyRefused(ProviderError):
    code = "own_key_refused"
    template = (
        "{provider} did not accept the key you typed. "
        "Type it again under “Your own key”, or choose another model."
    )
