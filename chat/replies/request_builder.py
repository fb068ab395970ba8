"""Build provider requests: read and count a submission, fit the context, collect the turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile

from chat.attachments.reader_slots import OnWait
from chat.attachments.token_cost import AttachmentPricer
from chat.config.settings import Settings
from chat.domain.attachment import Attachment, File, FileCost, FileKind
from chat.domain.context_window import ContextWindow, SentMessage, fit_context, token_budget
from chat.domain.conversation import Conversation, ReplySettings
from chat.domain.document_fencing import fence_document
from chat.domain.ids import storable
from chat.domain.message import Message, Role, Submission
from chat.domain.token_estimate import TOKENS_PER_MESSAGE
from chat.domain.writes import NewQuestion
from chat.errors import (
    EmptyMessage,
    FileTooLong,
    ImagesUnsupported,
    MessageTooLong,
    NothingToAnswer,
)
from chat.providers.base import Model, Picture, Provider, Request, Turn
from chat.providers.catalogue import GUIDE
from chat.providers.tokenizer import Tokenizer
from chat.providers.vision_support import supports_vision
from chat.replies.model_selection import ModelSelection
from chat.store import Store


class RequestBuilder:
    """Builds the requests for conversations of one store."""

    def __init__(
        self,
        settings: Settings,
        selection: ModelSelection,
        pricer: AttachmentPricer,
        tokenizer: Tokenizer,
        store: Store,
    ) -> None:
        self._settings, self._selection, self._pricer = settings, selection, pricer
        self._tokenizer, self._store = tokenizer, store

    def question(
        self,
        owner: str,
        submission: Submission,
        settings: ReplySettings,
        kept: Sequence[Attachment] = (),
    ) -> NewQuestion:
        """Return a submission read and counted. Raises `Refused` if it cannot be sent.

        `kept` are files of an earlier version that are sent with it.
        """
        text = storable(submission.text).strip()
        if not (text or submission.files or kept):
            raise EmptyMessage
        count = self._tokenizer.count(text)
        limit = self._settings.max_user_message_tokens
        if count.tokens > limit:
            raise MessageTooLong(count.tokens, limit, is_exact=count.is_exact)
        room = (
            self._selection.message_budget(settings)
            - count.tokens
            - sum(file.tokens for file in kept)
        )
        if kept and room < 0:
            tokens = sum(file.tokens for file in kept)
            raise FileTooLong(kept[0].name, tokens=tokens, room=max(0, room + tokens))
        new = self._pricer.attach(
            submission.files,
            room,
            owner,
            kept=len(kept),
            may_truncate=submission.may_truncate,
        )
        self._selection.require_vision((*kept, *new), settings)
        return NewQuestion(
            text, count.tokens, count.is_exact, new_files=new, kept_files=tuple(kept)
        )

    def price(
        self,
        owner: str,
        files: Sequence[File],
        settings: ReplySettings,
        on_wait: OnWait = lambda: None,
    ) -> tuple[FileCost, ...]:
        """Return the token cost of each file with these settings, or the reason it is refused."""
        prices = self._pricer.price(files, self._selection.message_budget(settings), owner, on_wait)
        try:
            self._selection.require_vision(prices, settings)
        except ImagesUnsupported as error:
            return tuple(
                replace(price, problem=error.sentence) if price.kind is FileKind.IMAGE else price
                for price in prices
            )
        return prices

    def fit(
        self, conversation: Conversation, leaf_id: str | None, so_far: int = 0
    ) -> ContextWindow:
        """Return the context of a request that ends with the message `leaf_id`.

        `so_far` tokens of an answer being continued are sent as well and reduce the budget.
        """
        cleared = set(conversation.cleared_ids)
        path = self._store.messages.steps(conversation.owner, conversation.id, leaf_id)
        return fit_context(
            takewhile(lambda step: step.id not in cleared, path),
            max_turns=self._settings.max_history_turns,
            first_depth=lambda: self._store.messages.context_start_depth(
                conversation.owner, conversation.id, leaf_id, conversation.cleared_ids
            ),
            **self._selection.budget(conversation.settings, so_far),
        )

    def newest(self, owner: str, conversation: Conversation) -> tuple[Provider, Request]:
        """Return the provider and request for asking the newest question again.

        Raises `NothingToAnswer` if there is no question.
        """
        leaf_id = conversation.leaf_id
        if leaf_id is not None:
            leaf = self._store.messages.get(owner, leaf_id)
            leaf_id = leaf.parent_id if leaf.role is Role.ASSISTANT else leaf_id
        provider, model = self._selection.resolve(conversation.settings)
        sent = self.fit(conversation, leaf_id)
        if not sent.ids:
            raise NothingToAnswer
        return provider, self.request(conversation, sent, provider, model)

    def request(
        self,
        conversation: Conversation,
        sent: ContextWindow,
        provider: Provider,
        model: Model,
        partial_answer: str = "",
    ) -> Request:
        """Return the request for `sent`; `partial_answer` is the text of the answer to continue."""
        return Request(
            model=model.id,
            turns=self._turns(conversation, sent, provider, model),
            system_prompt=self._selection.system_prompt(conversation.settings),
            temperature=self._selection.temperature(conversation.settings),
            max_tokens=self._selection.max_reply_tokens(conversation.settings),
            partial_answer=partial_answer,
        )

    def _turns(
        self, conversation: Conversation, sent: ContextWindow, provider: Provider, model: Model
    ) -> tuple[Turn, ...]:
        """Return the turns to send with the contents of their files. Guide reads no files."""
        messages = self._sent_messages(conversation, sent.ids)
        vision = supports_vision(model, self._settings) is not False
        hashes = [
            file.text_sha256 or file.sha256
            for message in messages
            for file in message.attachments
            if provider.name != GUIDE and (vision or file.kind is not FileKind.IMAGE)
        ]
        return as_turns(messages, self._store.attachments.contents(hashes))

    def _sent_messages(self, conversation: Conversation, ids: Sequence[str]) -> list[SentMessage]:
        if not ids:
            return []
        wanted = set(ids)
        found = self._store.messages.sent_messages(
            conversation.owner, conversation.id, ids[0], ids[-1]
        )
        return [each for each in found if each.id in wanted]

    def prompt_tokens(
        self,
        owner: str,
        settings: ReplySettings,
        conversation: Conversation | None,
        leaf_id: str | None,
        added: NewQuestion | None,
        goes_on: Message | None,
    ) -> int:
        """Return an estimate of the tokens that a request would send."""
        room = self._selection.budget(settings, goes_on.tokens if goes_on else 0)
        tokens = goes_on.tokens if goes_on else 0
        if added is not None:
            tokens += added.tokens + TOKENS_PER_MESSAGE
            tokens += sum(file.tokens for file in added.new_files)
            tokens += sum(file.tokens for file in added.kept_files)
        if conversation is not None and leaf_id is not None:
            before = self.fit(conversation, leaf_id).used_tokens
            # Older turns that no longer fit beside the new question are left out.
            tokens = (
                min(before + tokens, max(tokens, token_budget(**room)))
                if added
                else before + tokens
            )
        return tokens + room["system_tokens"]


def as_turns(
    messages: Sequence[SentMessage | Message], contents: Mapping[str, bytes]
) -> tuple[Turn, ...]:
    """Return turns with alternating roles; adjacent messages of one role are joined.

    `contents` holds the attached files by SHA-256. A missing image is replaced by a note.
    """
    turns: list[Turn] = []
    for message in messages:
        turn = _turn(message, contents)
        if turns and turns[-1].role is turn.role:
            last = turns[-1]
            text = "\n\n".join(filter(None, (last.text, turn.text)))
            turn = Turn(turn.role, text, last.pictures + turn.pictures)
            turns.pop()
        turns.append(turn)
    return tuple(turns)


def _turn(message: SentMessage | Message, contents: Mapping[str, bytes]) -> Turn:
    if not message.attachments:
        return Turn(message.role, message.text)
    texts, pictures = [], []
    for file in message.attachments:
        data = contents.get(file.text_sha256 or file.sha256)
        if file.kind is FileKind.IMAGE:
            if data is not None:
                pictures.append(Picture(file.media_type, data))
            else:
                texts.append(f'[Image "{file.name}", not shown]')
        elif data is not None:
            texts.append(fence_document(file.name, file.details, data.decode()))
    text = "\n\n".join(filter(None, (*texts, message.text)))
    return Turn(message.role, text, tuple(pictures))
