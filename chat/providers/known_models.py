"""What is known of the big providers' models before they have told their own list.

Used so that something can be chosen at once, to order a discovered catalogue of hundreds (the
well-known ones first) and to know windows that `/models` does not tell. Best first; as of
late 2026.
"""

from __future__ import annotations

import re

_WELL_KNOWN: dict[str, dict[str, int | None]] = {
    "openai": {
        "gpt-6.1-sol": 1_050_000,
        "gpt-6.1-terra": 1_050_000,
        "gpt-6-luna": 1_050_000,
        "gpt-6-astra": 1_050_000,
        "gpt-5.4": 1_050_000,
        "gpt-5.4-mini": 400_000,
        "gpt-5.4-nano": 400_000,
        "gpt-5": 400_000,
        "gpt-5-mini": 400_000,
        "gpt-4.1": 1_047_576,
        "gpt-4.1-mini": 1_047_576,
        "gpt-4o": 128_000,
        "gpt-4o-mini": 128_000,
    },
    "groq": {
        "openai/gpt-oss-120b": 131_072,
        "openai/gpt-oss-20b": 131_072,
        "qwen/qwen3.8-27b": 131_072,
        "llama-3.3-70b-versatile": 131_072,
        "llama-3.1-8b-instant": 131_072,
    },
    "mistral": {
        "mistral-large-latest": 262_144,
        "mistral-medium-latest": 131_072,
        "mistral-small-latest": 131_072,
        "magistral-medium-latest": 40_960,
        "codestral-latest": 256_000,
    },
    "gemini": {
        "gemini-3.8-flash": 1_048_576,
        "gemini-4-argon": 1_048_576,
        "gemini-3.5-flash-lite": 1_048_576,
        "gemini-2.5-pro": 1_048_576,
        "gemini-2.5-flash": 1_048_576,
    },
    "together": {
        "zai-org/GLM-5.3": 1_048_575,
        "moonshotai/Kimi-K3": 1_048_576,
        "deepseek-ai/DeepSeek-V4.1-Flash": 1_000_000,
        "openai/gpt-oss-120b": 131_072,
        "meta-llama/Llama-3.3-70B-Instruct-Turbo": 131_072,
    },
    "fireworks": {
        "accounts/fireworks/models/glm-5p2": 1_040_000,
        "accounts/fireworks/models/kimi-k3": 1_040_000,
        "accounts/fireworks/models/deepseek-v4-flash": 1_040_000,
        "accounts/fireworks/models/gpt-oss-120b": 131_072,
    },
    "openrouter": {
        "openrouter/auto": None,
        "openai/gpt-6.1-sol": 1_050_000,
        "anthropic/claude-sonnet-5.5": 1_000_000,
        "google/gemini-3.8-flash": 1_048_576,
        "deepseek/deepseek-v4-flash": 1_000_000,
    },
    "deepseek": {
        "deepseek-v4-flash": 1_000_000,
        "deepseek-v4-pro": 1_000_000,
        "deepseek-chat": 128_000,
        "deepseek-reasoner": 128_000,
    },
}

# Names that say a model does something else than chat. Bounded by separators, so that "guard" does
# not hide "vanguard" nor "live" "olive".
_NOT_CHAT = re.compile(
    r"(?:^|[-_/.:])(?:text-)?(?:embed(?:ding|dings|der)?|bge|e5|gte|minilm|whisper|tts|stt|asr|dall-e|dalle"
    r"|image|images|imagen|flux|stable-diffusion|sdxl|veo|sora|video|audio|speech|orpheus|playai|lyria"
    r"|realtime|live|transcribe|transcription|moderation|rerank|reranker|guard|safeguard|ocr|aqa"
    r"|davinci|babbage|curie|ada|instruct-0914|computer-use|nano-banana)(?=$|[-_/.:\d])"
    r"|gpt-3\.5-turbo-instruct|embedding|nomic-embed|llamaguard|robotics",
    re.IGNORECASE,
)


def well_known(provider: str) -> dict[str, int | None]:
    """Model ids of `provider`, best first, with their window in tokens where it is known."""
    return _WELL_KNOWN.get(provider.removeprefix("own-"), {})


def is_for_chat(model_id: str) -> bool:
    """Whether nothing in the name says that this model embeds, draws, speaks, listens or judges."""
    return _NOT_CHAT.search(model_id) is None
