"""Which entries of a provider's model list are offered, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from chat.config.settings import Endpoint, Settings
from chat.providers.openai_compatible.client import OpenAIProvider
from tests.support.llm_server import LLMServer


@pytest.fixture(scope="module")
def server() -> Iterator[LLMServer]:
    with LLMServer() as server:
        yield server


def offered(server: LLMServer, entries: list[dict[str, Any]]) -> list[str]:
    server.models = {"data": entries}
    acme = OpenAIProvider(Endpoint("acme", "Acme", server.base_url), Settings(values={}))

    async def run() -> None:
        await acme.discover()
        await acme.close()

    asyncio.run(run())
    return [model.id for model in acme.models()]


def names(text: str) -> list[str]:
    return text.split()


CHAT_TYPES = names(
    "chat-completion chat_completion chat language text-generation llm vlm model instruct "
    "image-text-to-text any-to-any audio-text-to-text conversational multimodal reasoning "
    "assistant foundation banana text2text-generation"
)
OTHER_TYPES = names(
    "embedding embeddings text-embedding feature-extraction sentence-similarity rerank reranker "
    "text-ranking image text-to-image image-generation text-to-speech speech-to-text tts stt "
    "automatic-speech-recognition audio transcription moderation text-classification video "
    "text-to-video ocr object-detection voice"
)


@pytest.mark.parametrize("field", ["type", "task", "pipeline_tag"])
def test_unknown_types_are_offered_and_types_that_do_not_chat_are_not(
    server: LLMServer, field: str
) -> None:
    entries = [{"id": f"m-{place}", field: kind} for place, kind in enumerate(CHAT_TYPES)]
    others = [{"id": f"n-{place}", field: kind} for place, kind in enumerate(OTHER_TYPES)]
    assert offered(server, others + entries) == [each["id"] for each in entries]


NOT_CHAT = names(
    "embed-english-v3.0 voyage-3-large jina-embeddings-v3 jina-reranker-v2 rerank-v3.5 BAAI/bge-m3 "
    "thenlper/gte-large all-minilm:l6-v2 mxbai-embed-large snowflake-arctic-embed2 "
    "qwen3-embedding-8b qwen3-reranker-4b amazon.titan-embed-text-v2:0 gemini-embedding-001 "
    "sentence-transformers/all-mpnet-base-v2 nvidia/nv-embed-v2 google/siglip-so400m "
    "gpt-4o-mini-tts eleven_multilingual_v2 hexgrad/Kokoro-82M nvidia/parakeet-tdt-0.6b "
    "FunAudioLLM/CosyVoice2-0.5B FunAudioLLM/SenseVoiceSmall playai-tts aura-2-thalia-en lyria-002 "
    "black-forest-labs/FLUX.1-schnell flux-pro stabilityai/stable-diffusion-xl-base-1.0 "
    "Kwai-Kolors/Kolors Qwen/Qwen-Image grok-2-image grok-imagine ideogram-v3 recraft-v3 "
    "seedream-4.0 cogview-4 gemini-2.5-flash-image cogvideox-3 Wan-AI/Wan2.2-T2V-A14B kling-v2 "
    "hailuo-02 veo-3.1 sora-2-pro luma-ray2 hunyuan-video shieldgemma-9b gpt-oss-safeguard-20b "
    "deepseek-ai/DeepSeek-OCR"
)
CHAT = names(
    "gpt-4o o3 claude-sonnet-4.5 grok-4 gemini-2.5-flash deepseek-r1 qwen2.5-vl-72b qwen3-omni-30b "
    "llama3.2-vision:11b llava:13b voxtral-small-24b amazon.nova-pro-v1:0 command-r-plus kimi-k2 "
    "glm-4.5v hunyuan-a13b seed-oss-36b internvl3 aya-expanse dolphin-mixtral wizardlm2 "
    "llama-3-vanguard imagination-7b liveliness-8b lumimaid-70b Aura-8B phi-4-multimodal"
)


def test_models_that_do_not_chat_are_recognized_by_their_family(server: LLMServer) -> None:
    assert offered(server, [{"id": each} for each in [*NOT_CHAT, *CHAT]]) == CHAT


OFFERED: list[dict[str, Any]] = [
    {"capabilities": ["completion", "tools"]},
    {"capabilities": ["embedding", "completion"]},
    {"capabilities": {"completion_chat": True}},
    {"architecture": {"output_modalities": ["image", "text"]}},
    {"architecture": {"modality": "text+image->text"}},
    {"supportedGenerationMethods": ["generateContent", "countTokens"]},
    {"endpoints": ["chat"]},
    {"type": None, "capabilities": None, "architecture": None},
]
LEFT_OUT: list[dict[str, Any]] = [
    {"capabilities": ["embedding"]},
    {"capabilities": {"completion_chat": False}},
    {"architecture": {"output_modalities": ["image"]}},
    {"output_modalities": ["audio"]},
    {"architecture": {"modality": "text->image"}},
    {"supported_generation_methods": ["embedContent"]},
    {"endpoints": ["embed", "rerank"]},
    {"active": False},
]


def test_capabilities_decide(server: LLMServer) -> None:
    entries = [{"id": f"m-{place}", **entry} for place, entry in enumerate(OFFERED)]
    others = [{"id": f"n-{place}", **entry} for place, entry in enumerate(LEFT_OUT)]
    assert offered(server, others + entries) == [each["id"] for each in entries]
