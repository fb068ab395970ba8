"""Guide: answers to common questions, streaming, and consistency of the manual with the code."""

from __future__ import annotations

import asyncio
import re
import threading
from itertools import pairwise
from pathlib import Path

import pytest

from chat.bootstrap import PURGE_INTERVAL
from chat.domain.message import Role
from chat.errors import ProviderError
from chat.providers.base import Delta, Request, Turn
from chat.providers.guide.manual import MANUAL_FOLDER, Manual
from chat.providers.guide.provider import GuideProvider, reply_to

MANUAL = Manual()
TITLES = {section.title: section for topic in MANUAL.topics() for section in topic.sections}
NOT_FOUND = "I found nothing about that in Parley's manual."
CUSTOM_TITLE = "How do I add my own or another OpenAI-compatible server?"
HOSTED_TITLE = "How do I use Groq, Mistral, Gemini, Together, Fireworks, OpenRouter or DeepSeek?"


def request(*texts: str, **values: object) -> Request:
    """Return a request with `texts` as alternating questions and answers."""
    roles = (Role.USER, Role.ASSISTANT)
    turns = tuple(Turn(roles[place % 2], text) for place, text in enumerate(texts))
    return Request("guide", turns, **values)  # type: ignore[arg-type]


async def no_pause(seconds: float) -> None:
    """A pause without a delay."""


def stream(asked: Request, **values: object) -> list[Delta]:
    async def collect() -> list[Delta]:
        provider = GuideProvider(**{"pause": no_pause, **values})  # type: ignore[arg-type]
        return [delta async for delta in provider.stream(asked)]

    return asyncio.run(collect())


def text(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("how do I use my OpenAI key?", "How do I use my OpenAI key?"),
        ("I want to use chatgpt", "How do I use my OpenAI key?"),
        ("where do I put my api key", "How do I connect a model?"),
        ("How do I connect to a model", "How do I connect a model?"),
        ("Ollama", "How do I use Ollama?"),
        ("deepseek?", HOSTED_TITLE),
        ("vllm port", "How do I use LM Studio, llama.cpp or vLLM?"),
        ("run gguf file", "How do I use a GGUF file without a server?"),
        ("how do I change the model?", "How do I choose the model?"),
        ("how do I add a custom provider", CUSTOM_TITLE),
        ("can I edit a message", "Can I edit a message?"),
        ("great, how do I edit my message", "Can I edit a message?"),
        ("how do I regenerate the response", "How do I retry a reply?"),
        ("try again", "How do I retry a reply?"),
        ("how do I get back my old answer", "What are the arrows ‹ 2/3 › for?"),
        ("2/3", "What are the arrows ‹ 2/3 › for?"),
        ("where is my data stored", "Where is my data stored?"),
        ("backup my conversations", "Where is my data stored?"),
        ("who can read my conversations", "Who can see my conversations?"),
        ("does it work without internet", "What is sent to a provider?"),
        ("what does rate limit mean", "What does the rate limit (“too many requests”) mean?"),
        ("what does 429 mean", "What does the rate limit (“too many requests”) mean?"),
        ("invalid api key", "What does “did not accept the API key” mean?"),
        ("I get connection refused with ollama", "What does “cannot be reached” mean?"),
        ("the provider went silent", "What does “sent nothing in the middle of the reply” mean?"),
        ("how do I stop an answer", "How do I stop a reply?"),
        ("hi, how do I stop?", "How do I stop a reply?"),
        ("my answer was cut off", "How do I continue a reply?"),
        ("I closed my browser tab while the answer was being generated, is it lost?",
         "What happens when I reload or close the page?"),
        ("how do I delete a chat?", "How do I delete a conversation or a message?"),
        ("how can I make it forget what I said", "How do I clear the context?"),
        ("why does it say 12 earlier messages are not sent",
         "What does “earlier messages are not sent” mean?"),
        ("my message is too long", "Why was my message refused as too long?"),
        ("what is a token", "What are tokens?"),
        ("≈", "Why is there a ≈ before a number?"),
        ("what is MAX_HISTORY_TOKENS", "Which limits can be configured?"),
        ("what is temprature", "What is temperature?"),
        ("how do I set a system prompt", "What is a system prompt?"),
        ("keyboard shortcuts", "Which keyboard shortcuts are there?"),
        ("dark mode", "Is there a dark theme?"),
        ("can I upload a PDF", "How do I attach a file?"),
        ("How do I attach a PDF?", "How do I attach a file?"),
        ("Which file types are supported?", "Which files can be attached?"),
        ("How large may a file be?", "How large may a file be?"),
        ("why can't it see my image", "Why can the model not see my image?"),
        ("my pdf is too long to fit", "What if a file does not fit?"),
        ("I pasted a long text and it became a file", "Why did my pasted text become a file?"),
        ("scanned pdf", "Why can a file not be read?"),
        ("Can you see images?", "Can Guide read files?"),
        ("too many files", "What does it mean that files are too many, too large or too long?"),
        ("Can I talk to it?", "How do I dictate a message?"),
        ("use my microphone", "How do I dictate a message?"),
        ("Why is the microphone disabled?", "Why is the microphone disabled?"),
        ("is my recording lost?", "What if a recording cannot be turned into text?"),
        ("are recordings stored", "What happens to a recording afterwards?"),
        ("whisper server", "Who turns speech into text?"),
        ("delete permanently", "How do I delete a conversation for good?"),
        ("how long is deleted data kept", "How long is what I delete kept?"),
        ("how do I log in", "How do I sign in?"),
        ("log out", "How do I sign out?"),
        ("set up google login", "How do I set up sign-in?"),
        ("what is the access code", "What is the access code?"),
        ("who is admin", "Who is an admin?"),
        ("can it read replies aloud", "What can Parley not do yet?"),
        ("how much does it cost", "What does Parley cost?"),
        ("What can you do?", "What is Guide?"),
        ("Show me what Markdown can look like", "Show me Markdown"),
        ("Can I edit a message and keep the old one?", "Can I edit a message?"),
        ("search", "How do I search my conversations?"),
        ("was kannst du?", "What is Guide?"),
        ("Hi, who are you?", "What is Guide?"),
        ("hello!", "What is Guide?"),
        ("👋", "What is Guide?"),
        ("show me Markdown", "Show me Markdown"),
        ("table", "Show me a table"),
        ("code", "Show me code"),
        ("math", "Show me math"),
        ("mermaid", "Show me a mermaid diagram"),
    ],
)  # fmt: skip
def test_common_question_finds_its_section(question: str, title: str) -> None:
    assert TITLES[title].text in reply_to(MANUAL, question)


@pytest.mark.parametrize("title", TITLES)
def test_heading_is_answered_by_its_own_section(title: str) -> None:
    assert reply_to(MANUAL, title).startswith(TITLES[title].text)


@pytest.mark.parametrize(
    "question",
    [
        "what is the capital of France?",
        "write me a poem about cats",
        "write an email to my boss",
        "translate hello to French",
        "explain quantum computing",
        '" OR 1=1 --',
        "NEAR(",
        "NEAR(stop, 2) AND",
        "{body} : x*",
        "'; DROP TABLE manual; --",
        "\x00\ud800 _ __ ***",
        "lorem ipsum dolor " * 6_000,
        "\N{CJK UNIFIED IDEOGRAPH-4F60}" * 100_000,
    ],
)
def test_unrelated_question_is_answered_with_the_list_of_topics(question: str) -> None:
    answer = reply_to(MANUAL, question)
    assert answer.startswith((NOT_FOUND, "I found no words in it."))
    assert all(f"**{topic.title}**" in answer for topic in MANUAL.topics())


@pytest.mark.parametrize("question", ["", "   \n", "🎉🎉", "?!"])
def test_message_without_words_is_answered(question: str) -> None:
    assert reply_to(MANUAL, question).startswith("I found no words in it.")


def test_partial_match_is_marked_as_the_closest_section() -> None:
    assert reply_to(MANUAL, "write some python code").startswith("The closest section")


@pytest.mark.parametrize("words", ["ok, thanks!", "Perfect", "bye", "thank you very much"])
def test_thanks_are_answered_politely(words: str) -> None:
    assert reply_to(MANUAL, words, "Ollama").startswith("You are welcome")


def test_greeting_explains_guide_and_how_to_connect_a_model() -> None:
    answer = reply_to(MANUAL, "hello")
    assert "not a language model" in answer
    assert "OPENAI_API_KEY" in answer and "Ollama" in answer


def test_markdown_sample_covers_all_elements() -> None:
    answer = reply_to(MANUAL, "Show me Markdown")
    for mark in ("\n### ", "\n| :--- |", "\n```python\n", " $e^{", "\n$$\n", "\n```mermaid\n",
                 "\n> ", "\n- [x] ", "\n- [ ] "):  # fmt: skip
        assert mark in answer, mark


def test_follow_up_question_uses_the_previous_question() -> None:
    asked = request("How do I retry a reply?", "Press Retry.", "and how do I stop it?")
    assert text(stream(asked)).startswith(TITLES["How do I stop a reply?"].text)
    with_context = reply_to(MANUAL, "and the address?", "vllm")
    assert with_context != reply_to(MANUAL, "and the address?")


def test_more_returns_sections_not_shown_before() -> None:
    turns, end = ["Ollama"], "That is all my manual says about this."
    while not (turns[-2:-1] or [""])[0].startswith(end):
        turns += [text(stream(request(*turns))), "tell me more"]
    *answers, _ = turns[1::2]
    assert len(answers) >= 2
    assert len(set(answers)) == len(answers)


def test_more_without_a_previous_question_finds_nothing() -> None:
    assert reply_to(MANUAL, "more").startswith(NOT_FOUND)


@pytest.mark.parametrize(
    ("question", "words", "end"),
    [
        ("Count to 200", 499, "two hundred."),
        ("please count from 1 to 12", 12, "twelve."),
        ("zähle bis 21", 21, "twenty-one."),
        ("count to 0", 6, "zero."),
        ("count to 999999999", 3687, "I stop at 1,000."),
    ],
)
def test_guide_counts_in_words(question: str, words: int, end: str) -> None:
    answer = reply_to(MANUAL, question)
    assert answer.endswith(end)
    assert len(answer.split()) == words


@pytest.mark.parametrize("question", ["write a long text", "Please tell me a very long story"])
def test_long_text_has_over_a_thousand_words(question: str) -> None:
    assert len(reply_to(MANUAL, question).split()) > 1_000


def test_question_about_long_messages_is_not_a_request_for_a_long_text() -> None:
    answer = reply_to(MANUAL, "why was the long message I wrote refused?")
    assert TITLES["Why was my message refused as too long?"].text in answer


@pytest.mark.parametrize("question", ["Show me Markdown", "Count to 200", "hello", "pizza", ""])
def test_streamed_deltas_join_to_the_answer(question: str) -> None:
    *deltas, last = stream(request(question))
    assert text(deltas) == reply_to(MANUAL, question)
    assert all(len(delta.text.split()) == 1 for delta in deltas)
    assert last.finish_reason == "stop"
    assert last.usage is not None and not last.usage.is_reported
    assert last.usage.completion_tokens == len(text(deltas)) // 4 + 1
    assert last.usage.prompt_tokens == len(question) // 4 + 1


def test_retry_gets_the_same_answer() -> None:
    assert stream(request("Ollama")) == stream(request("Ollama", temperature=2.0))


def test_stream_pauses_follow_the_configured_speed() -> None:
    pauses: list[float] = []

    async def record(seconds: float) -> None:
        pauses.append(seconds)

    deltas = stream(request("hello"), pause=record, words_per_second=50.0)
    assert pauses[0] == 0.15
    assert set(pauses[1:]) == {0.02}
    assert len(pauses) == len(deltas) - 1


@pytest.mark.parametrize("share", [0.0, 0.3, 0.71, 0.99])
def test_continue_resumes_at_the_exact_position(share: float) -> None:
    whole = reply_to(MANUAL, "Show me Markdown")
    so_far = whole[: max(1, int(len(whole) * share))]
    assert so_far + text(stream(request("Show me Markdown", partial_answer=so_far))) == whole


def test_continue_after_a_stripped_answer_keeps_the_space() -> None:
    whole = reply_to(MANUAL, "hello")
    so_far = whole[: whole.index(" ")]
    assert text(stream(request("hello", partial_answer=so_far))).startswith(" ")


@pytest.mark.parametrize("so_far", [reply_to(MANUAL, "hello"), "Another model said this."])
def test_continue_of_a_complete_answer_is_reported(so_far: str) -> None:
    deltas = stream(request("hello", partial_answer=so_far))
    assert text(deltas) == "\n\nThat was already the complete answer."
    assert deltas[-1].finish_reason == "stop"


def test_answer_cut_at_the_token_limit_can_be_continued() -> None:
    whole, so_far = reply_to(MANUAL, "Count to 200"), ""
    reasons: list[str | None] = []
    while not reasons or reasons[-1] == "length":
        deltas = stream(request("Count to 200", partial_answer=so_far, max_tokens=260))
        so_far += text(deltas)
        reasons.append(deltas[-1].finish_reason)
        assert len(text(deltas).split()) <= 200
    assert so_far == whole
    assert reasons == ["length", "length", "stop"]


def test_cancelled_stream_ends_immediately() -> None:
    async def run() -> list[str]:
        waiting = asyncio.Event()
        received: list[str] = []

        async def pause(seconds: float) -> None:
            if len(received) == 3:
                waiting.set()
                await asyncio.Event().wait()

        async def follow() -> None:
            async for delta in GuideProvider(pause=pause).stream(request("Count to 200")):
                received.append(delta.text)

        task = asyncio.create_task(follow())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return received

    assert asyncio.run(run()) == ["One, ", "two, ", "three, "]


def test_guide_is_thread_safe() -> None:
    provider = GuideProvider(pause=no_pause)
    questions = ["Ollama", "stop", "hello", "table"] * 5
    answers: dict[int, str] = {}

    async def collect(question: str) -> str:
        return text([delta async for delta in provider.stream(request(question))])

    def run(place: int) -> None:
        answers[place] = asyncio.run(collect(questions[place]))

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(questions))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {p: reply_to(MANUAL, q) for p, q in enumerate(questions)}


def test_guide_has_one_model() -> None:
    provider = GuideProvider()
    assert (provider.name, provider.label) == ("guide", "Guide")
    assert [model.ref for model in provider.models()] == ["guide/guide"]
    assert asyncio.run(provider.discover()) is None
    assert asyncio.run(provider.close()) is None


def test_guide_answers_without_a_manual(tmp_path: Path) -> None:
    deltas = stream(request("hello"), folder=tmp_path / "missing")
    assert "OPENAI_API_KEY" in text(deltas)
    assert deltas[-1].finish_reason == "stop"


def test_unreadable_manual_raises_provider_error(tmp_path: Path) -> None:
    (tmp_path / "broken.md").write_bytes(b"# \xff\xfe")
    with pytest.raises(ProviderError, match="Guide could not answer"):
        stream(request("hello"), folder=tmp_path)


def test_heading_inside_a_code_fence_does_not_start_a_section(tmp_path: Path) -> None:
    fenced = "```bash\n## not a heading\n```"
    (tmp_path / "a.md").write_text(f"# A\n\nIntro.\n\n## One\n\n{fenced}\n\n## Two\n\nEnd.\n")
    (topic,) = Manual(tmp_path).topics()
    assert [(s.title, s.text) for s in topic.sections] == [("One", fenced), ("Two", "End.")]
    assert (topic.title, topic.intro) == ("A", "Intro.")


# --- the manual


def test_manual_sections_have_alternative_questions_and_text() -> None:
    for topic in MANUAL.topics():
        assert topic.title and topic.intro and topic.sections, topic.name
        for section in topic.sections:
            assert section.text and section.asked, section.title
    headings = [section.title for topic in MANUAL.topics() for section in topic.sections]
    assert len(headings) == len(set(headings))


def test_manual_sections_have_one_list_of_questions() -> None:
    for page in MANUAL_FOLDER.glob("*.md"):
        for section in page.read_text("utf-8").split("\n## "):
            assert section.count("<!-- asked:") <= 1, section.splitlines()[0]


def test_manual_states_the_purge_interval() -> None:
    assert PURGE_INTERVAL == 600
    for title in ("How do I delete a conversation for good?", "How long is what I delete kept?"):
        assert "every ten minutes" in TITLES[title].text


def test_manual_code_fences_are_closed() -> None:
    for section in TITLES.values():
        fences = re.findall(r"^```\w*$", section.text, flags=re.MULTILINE)
        assert all(close == "```" for _, close in list(pairwise(fences))[::2]), section.title
        assert len(fences) % 2 == 0, section.title
