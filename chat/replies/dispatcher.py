"""Dispatch replies: reserve, store, start, save and finish them, for one store."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import replace

from chat.billing.call_costs import sent_tokens
from chat.domain.calls import EndedCall, NewCall
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.ids import new_id
from chat.domain.message import Failure, Message
from chat.domain.writes import NewAnswer, NewQuestion, Outcome
from chat.errors import ModelDisabled, ParleyError
from chat.providers.base import Delta
from chat.providers.user_keys import OwnKey, require_own_key
from chat.replies.request_builder import RequestBuilder
from chat.replies.running_reply import RunningReply
from chat.replies.runtime import Runtime
from chat.store import Store

log = logging.getLogger("chat.replies.dispatcher")

STOP_TIMEOUT = 2.0  # seconds; a process that writes a reply checks for a stop once a second
STOP_POLL_INTERVAL = 0.1
MAX_CHARACTERS_PER_TOKEN = 40
EXTRA_CHARACTERS = 100_000  # allowed in addition to the requested length


class Dispatcher:
    """The sink of the replies in one store. `is_temporary` stores are not the ledger's."""

    def __init__(
        self, runtime: Runtime, store: Store, requests: RequestBuilder, *, is_temporary: bool
    ) -> None:
        self._runtime, self._store, self._requests = runtime, store, requests
        self._billing, self._runner = runtime.billing, runtime.runner
        self._is_temporary = is_temporary

    @contextmanager
    def reserved(
        self,
        owner: str,
        settings: ReplySettings,
        conversation: Conversation | None = None,
        leaf_id: str | None = None,
        added: NewQuestion | None = None,
        continued: Message | None = None,
        own: OwnKey | None = None,
    ) -> Iterator[tuple[RunningReply, NewAnswer]]:
        """Reserve a reply before it is stored; release it if storing fails.

        The reply answers `added` below `leaf_id`, or continues the answer `continued`. Raises
        `ModelDisabled` and, here or when it is stored, the errors of the limits.
        """
        if self._billing.rules.limits_replies:
            self._runtime.recovery.interrupt_abandoned()  # dead processes hold no slots
        selection = self._runtime.selection
        provider, model = selection.resolve(settings, own)
        require_own_key(provider)
        label = selection.label(model.ref)
        if self._billing.kill_switch.is_off(model.ref):
            raise ModelDisabled(label)
        answer_id = continued.id if continued else new_id()
        reply = RunningReply(answer_id, self, self._runner.followers)
        tokens = None
        if self._billing.rules.limits_tokens:
            tokens = self._requests.prompt_tokens(
                owner, settings, conversation, leaf_id, added, continued
            )
        call = reply.call = self._billing.reply(
            owner,
            model.ref,
            self._runtime.worker.name,
            answer_id,
            tokens,
            selection.max_reply_tokens(settings),
            label,
        )
        self._runner.reserve(reply)
        try:
            if self._is_temporary:
                self._billing.ledger.add(call)
            stored_call = None if self._is_temporary else call
            yield reply, NewAnswer(answer_id, model.ref, call.worker, stored_call)
        except BaseException:  # also RerunException, with which Streamlit ends a script
            self._runner.release(reply)
            if self._is_temporary:
                self._billing.ledger.drop(call.id)
            raise

    def begin(
        self,
        conversation: Conversation,
        answer: Message,
        reply: RunningReply,
        own: OwnKey | None = None,
    ) -> Message:
        """Start the reply to the question above `answer`. A failure is recorded in the answer."""
        selection = self._runtime.selection
        try:
            # The model of the ledger row, even if the conversation's was changed since.
            provider, model = selection.by_ref(answer.model, own)
            reply.provider_label = provider.label
            sent = self._requests.fit(conversation, answer.parent_id, so_far=answer.tokens)
            request = self._requests.request(
                conversation, sent, provider, model, partial_answer=answer.text
            )
            reply.sent_tokens = sent.used_tokens + answer.tokens
            reply.system_prompt = request.system_prompt
            stream: AsyncIterator[Delta] = limit_length(
                provider.stream(request), selection.max_reply_tokens(conversation.settings)
            )
        except Exception as error:
            log.exception("reply %s could not be begun", answer.id, extra={"answer_id": answer.id})
            stream = _failing(error if isinstance(error, ParleyError) else ParleyError())
        self._runner.start(reply, stream)
        call = reply.call
        if call is not None and call.prompt_tokens is None:
            self._runner.write_soon(
                "noting the size of a request", lambda: self._note_size(reply, call)
            )
        return answer

    def stop(self, answer_id: str) -> None:
        """Stop a reply in any process; wait up to `STOP_TIMEOUT` until its end is stored."""
        if self._runner.stop(answer_id):
            return
        self._store.replies.ask_to_stop(answer_id)
        pause, deadline = threading.Event(), time.monotonic() + STOP_TIMEOUT
        while self._store.replies.is_running(answer_id) and time.monotonic() < deadline:
            pause.wait(STOP_POLL_INTERVAL)

    def save(self, reply: RunningReply) -> None:
        is_wanted = self._store.replies.save(
            reply.answer_id,
            self._runtime.worker.name,
            reply.buffer.text,
            reply.buffer.reasoning,
        )
        if not is_wanted:  # stopped or ended by another process
            self._runner.stop(reply.answer_id, wait=0)
            return
        if self._is_temporary and reply.call is not None:
            self._billing.ledger.heartbeat(reply.call.id)
        self._runtime.stop_if_off(reply)

    def finish(self, reply: RunningReply) -> None:
        runtime, text = self._runtime, reply.buffer.text
        count = runtime.tokenizer.count(text)
        record = reply.record()
        ended = None
        if reply.call is not None:
            ended = self._billing.ended(reply.call, record, runtime.tokenizer)
        outcome = self._outcome(reply, count.tokens, ended, is_exact=count.is_exact)
        if self._is_temporary and ended is not None:
            self._billing.ledger.end(ended)
        if not self._store.replies.finish(reply.answer_id, runtime.worker.name, outcome):
            log.warning("reply %s: already ended by another process", reply.answer_id)
        log.info(
            "reply %s %s: %s tokens, first after %s ms, all after %s ms%s",
            reply.answer_id,
            reply.status,
            count.tokens,
            reply.first_token_ms,
            reply.total_ms,
            f", {record.error_code}" if record.error_code else "",
            extra={"answer_id": reply.answer_id},
        )
        runtime.metrics.record_reply(
            reply.status.value, record.error_code or "", record.first_token_ms, record.total_ms
        )
        if reply.call is not None and ended is not None:
            runtime.metrics.record_tokens(
                reply.call.model,
                ended.prompt_tokens,
                ended.completion_tokens,
                is_listed=runtime.catalogue.is_listed(reply.call.model),
            )

    def _outcome(
        self, reply: RunningReply, tokens: int, ended: EndedCall | None, *, is_exact: bool
    ) -> Outcome:
        error = reply.failure
        return Outcome(
            status=reply.status,
            text=reply.buffer.text,
            reasoning=reply.buffer.reasoning,
            reasoning_ms=reply.reasoning_ms,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            first_token_ms=reply.first_token_ms,
            total_ms=reply.total_ms,
            failure=None
            if error is None
            else Failure(error.code, error.sentence, error.details, reply.retry_at),
            tokens=tokens,
            is_exact=is_exact,
            call=None if self._is_temporary else ended,
        )

    def _note_size(self, reply: RunningReply, call: NewCall) -> None:
        """Record the size of the request in the ledger, in case this process dies."""
        tokens = sent_tokens(reply.sent_tokens, reply.system_prompt, self._runtime.tokenizer)
        self._billing.ledger.record_prompt_tokens(call.id, tokens)


async def limit_length(stream: AsyncIterator[Delta], max_tokens: int) -> AsyncIterator[Delta]:
    """Yield from `stream`; end with finish reason "length" when it is far longer than requested.

    The bound is generous, because providers count tokens differently.
    """
    remaining = max_tokens * MAX_CHARACTERS_PER_TOKEN + EXTRA_CHARACTERS
    async with aclosing(stream) as deltas:  # type: ignore[type-var]
        async for delta in deltas:
            reasoning = delta.reasoning[:remaining]
            remaining -= len(reasoning)
            text = delta.text[:remaining]
            remaining -= len(text)
            if len(reasoning) + len(text) < len(delta.reasoning) + len(delta.text):
                yield replace(delta, reasoning=reasoning, text=text, finish_reason="length")
                return
            yield delta


async def _failing(error: ParleyError) -> AsyncIterator[Delta]:
    for problem in (error,):  # a generator that raises on its first step
        raise problem
    yield Delta()
