"""Failures of a model provider."""

from __future__ import annotations

from datetime import datetime

from chat.errors.base import ParleyError
from chat.observability.redaction import redact


class ProviderError(ParleyError):
    """The provider failed or rejected the request.

    May be raised in the middle of a stream; the caller keeps the text received before.
    `provider` is the label shown to users. `retry_at` is set if the provider named a time.
    `secrets` are removed from the sentence and from the details.
    """

    code = "provider_error"
    sentence = "{provider} could not answer. Try again, or choose another model."

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
            redact(type(self).sentence.format(provider=provider, **values), secrets),
            details=redact(details, secrets),
        )


class WrongKey(ProviderError):
    code = "wrong_key"
    is_billed = False
    sentence = (
        "{provider} did not accept the API key. Check the key in the configuration, then retry."
    )


class NoPermission(ProviderError):
    code = "no_permission"
    is_billed = False
    sentence = (
        "The API key is not permitted to use this model at {provider}. Choose another model, "
        "or extend the permissions of the key."
    )


class OrganizationUnverified(ProviderError):
    code = "organization_unverified"
    is_billed = False
    sentence = (
        "{provider} requires that the organization of the API key is verified before it may use "
        "this model. Verify it on the provider's site, or choose another model."
    )


class UnknownModel(ProviderError):
    code = "unknown_model"
    is_billed = False
    sentence = "{provider} does not know the model “{model}”. Choose another one in the sidebar."


class ContextTooLong(ProviderError):
    code = "context_too_long"
    is_billed = False
    sentence = (
        "The conversation exceeds the context window of the model. Clear the context in the "
        "sidebar, shorten the message, or choose a model with a larger window."
    )


class RefusedParameter(ProviderError):
    code = "refused_parameter"
    is_billed = False
    sentence = (
        "{provider} does not accept one of the settings for this model. "
        "Reset the temperature and the reply length, or choose another model."
    )


class BadRequest(ProviderError):
    code = "bad_request"
    is_billed = False
    sentence = "{provider} rejected the request as invalid. See the details for the reason."


class NoCredit(ProviderError):
    code = "no_credit"
    is_billed = False
    sentence = (
        "The account at {provider} has no credit left. Top it up, or choose another provider."
    )


class RateLimited(ProviderError):
    code = "rate_limited"
    is_billed = False
    sentence = "{provider} is receiving too many requests. Wait a moment, then retry."


class ContentFiltered(ProviderError):
    code = "content_filtered"
    sentence = "The content filter of {provider} stopped this reply. Try rephrasing the question."


class ImagesRefused(ProviderError):
    code = "images_refused"
    is_billed = False
    sentence = (
        "{provider} reports that this model does not support images. "
        "Choose another model, or edit the message and remove the image."
    )


class ProviderDown(ProviderError):
    code = "provider_down"
    is_billed = False
    sentence = "{provider} has a problem on its side. Retry in a moment, or choose another model."


class NameNotFound(ProviderError):
    code = "name_not_found"
    is_billed = False
    sentence = (
        "The address of {provider} could not be found. "
        "Check the network and the base URL in the configuration."
    )


class TlsFailed(ProviderError):
    code = "tls_failed"
    is_billed = False
    sentence = (
        "No secure connection to {provider} could be made: its certificate was not accepted. "
        "Check the base URL and the certificates of this machine."
    )


class ConnectionRefused(ProviderError):
    code = "connection_refused"
    is_billed = False
    sentence = (
        "{provider} cannot be reached. Check that it is running and that the base URL is right."
    )


class ProxyFailed(ProviderError):
    code = "proxy_failed"
    is_billed = False
    sentence = (
        "{provider} cannot be reached through the proxy of this machine. "
        "Check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY in its environment."
    )


class ConnectionLost(ProviderError):
    code = "connection_lost"
    sentence = "The connection to {provider} failed. Check the network, then retry."


class FirstTokenTimeout(ProviderError):
    code = "first_token_timeout"
    sentence = (
        "{provider} did not begin to answer within {seconds:g} s. Retry, or choose another model."
    )


class StreamStalled(ProviderError):
    code = "stalled"
    sentence = (
        "{provider} sent nothing for {seconds:g} s in the middle of the reply. "
        "The text received so far is kept. Continue or retry."
    )


class StreamInterrupted(ProviderError):
    code = "cut_off"
    sentence = (
        "The connection to {provider} broke in the middle of the reply. "
        "The text received so far is kept. Continue or retry."
    )


class IncompleteReply(ProviderError):
    code = "unfinished"
    sentence = (
        "{provider} ended the reply without marking it as complete. "
        "The text received so far is kept. Continue or retry."
    )


class UnknownFinish(ProviderError):
    code = "unknown_finish"
    sentence = (
        "{provider} ended the reply with the reason “{reason}”, which Parley does not know. "
        "The reply may be incomplete. The text received so far is kept. Continue or retry."
    )


class PartlyUnreadable(ProviderError):
    """Unlike the others, it may belong to a complete reply."""

    code = "partly_unreadable"
    sentence = (
        "Parts of this reply from {provider} could not be read, so some text may be missing. "
        "Retry if you need it."
    )


class ToolCallUnsupported(ProviderError):
    code = "tool_call"
    sentence = (
        "The model called a tool instead of finishing its answer, and Parley offers no tools. "
        "Rephrase the question, or choose another model."
    )


class EmptyReply(ProviderError):
    code = "empty_reply"
    sentence = "{provider} sent an empty reply. Retry, or choose another model."


class OnlyReasoning(ProviderError):
    code = "only_thinking"
    sentence = (
        "The model used its whole reply for thinking and wrote no answer. "
        "Increase the reply length in the sidebar, then retry."
    )


class MalformedResponse(ProviderError):
    code = "malformed"
    sentence = (
        "{provider} sent an invalid response. "
        "Check that the base URL is that of an OpenAI-compatible API."
    )


class ModelNotLoaded(ProviderError):
    code = "model_not_loaded"
    is_billed = False
    sentence = (
        "The local model could not be loaded. Check that LOCAL_MODEL names a complete GGUF file "
        "that fits into memory."
    )


class RedirectRefused(ProviderError):
    code = "redirected"
    is_billed = False
    sentence = (
        "{provider} redirects requests to another address. Parley does not follow redirects, "
        "to protect the key and the conversation. Check the base URL in the configuration."
    )


class AddressRefused(ProviderError):
    code = "address_refused"
    sentence = (
        "This address cannot be used. It must begin with https:// and belong to a server "
        "on the public internet."
    )


class OwnKeyMissing(ProviderError):
    code = "own_key_missing"
    sentence = (
        "This conversation uses your own key for {provider}, which is no longer available. "
        "Enter it again under “Your own key”, or choose another model."
    )


class OwnKeyRefused(ProviderError):
    code = "own_key_refused"
    sentence = (
        "{provider} did not accept your own key. "
        "Enter it again under “Your own key”, or choose another model."
    )
