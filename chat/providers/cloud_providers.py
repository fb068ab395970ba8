"""Cloud providers with an OpenAI-compatible API, one row each.

To add a provider, add a row here and describe its settings in the manual. Pure data: a row does not
read the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chat.domain.person import OWN_KEY_PREFIX


@dataclass(frozen=True, slots=True)
class CloudProvider:
    """Facts about one provider.

    `name` is the first part of a model's ref and, in capitals, the prefix of the settings
    (`OPENAI_API_KEY`, `OPENAI_BASE_URL`, `OPENAI_MODELS`); `label` is shown to users. `models`
    maps well-known model ids, best first, to their context window in tokens (None: unknown). They
    are offered before the first discovery and listed first afterwards. `price_id` is the
    provider's id in genai-prices, None if it is not covered. `vision` is a regular expression for
    names of models that accept images, wherever they are hosted. `speech_model` is the default
    model for speech recognition, and `length_parameter` the name of the reply length limit.
    """

    name: str
    label: str
    base_url: str
    models: Mapping[str, int | None]
    price_id: str | None = None
    vision: str | None = None
    speech_model: str | None = None
    length_parameter: str = "max_tokens"


# In order of preference. Models as of late 2026.
CLOUD_PROVIDERS = (
    CloudProvider(
        name="openai",
        label="OpenAI",
        base_url="https://api.openai.com/v1",
        models={
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
        price_id="openai",
        vision=r"gpt-(?:4o|4\.1|4\.5|4-turbo|[5-9])"
        r"|(?:^|/)o1(?!-mini|-preview)|(?:^|/)o3(?!-mini)|(?:^|/)o4-mini",
        speech_model="whisper-1",
        length_parameter="max_completion_tokens",
    ),
    CloudProvider(
        name="groq",
        label="Groq",
        base_url="https://api.groq.com/openai/v1",
        models={
            "openai/gpt-oss-120b": 131_072,
            "openai/gpt-oss-20b": 131_072,
            "qwen/qwen3.8-27b": 131_072,
            "llama-3.3-70b-versatile": 131_072,
            "llama-3.1-8b-instant": 131_072,
        },
        price_id="groq",
        speech_model="whisper-large-v3-turbo",
    ),
    CloudProvider(
        name="mistral",
        label="Mistral",
        base_url="https://api.mistral.ai/v1",
        models={
            "mistral-large-latest": 262_144,
            "mistral-medium-latest": 131_072,
            "mistral-small-latest": 131_072,
            "magistral-medium-latest": 40_960,
            "codestral-latest": 256_000,
        },
        price_id="mistral",
        vision=r"mistral-(?:small|medium|large)-latest|magistral-(?:small|medium)-latest",
    ),
    CloudProvider(
        name="gemini",
        label="Gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta/openai",
        models={
            "gemini-3.8-flash": 1_048_576,
            "gemini-4-argon": 1_048_576,
            "gemini-3.5-flash-lite": 1_048_576,
            "gemini-2.5-pro": 1_048_576,
            "gemini-2.5-flash": 1_048_576,
        },
        price_id="google",
        vision=r"(?:^|[-_/.:])gemini(?=$|[-_/.:\d])",
    ),
    CloudProvider(
        name="together",
        label="Together",
        base_url="https://api.together.xyz/v1",
        models={
            "zai-org/GLM-5.3": 1_048_575,
            "moonshotai/Kimi-K3": 1_048_576,
            "deepseek-ai/DeepSeek-V4.1-Flash": 1_000_000,
            "openai/gpt-oss-120b": 131_072,
            "meta-llama/Llama-3.3-70B-Instruct-Turbo": 131_072,
        },
        price_id="together",
    ),
    CloudProvider(
        name="fireworks",
        label="Fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        models={
            "accounts/fireworks/models/glm-5p2": 1_040_000,
            "accounts/fireworks/models/kimi-k3": 1_040_000,
            "accounts/fireworks/models/deepseek-v4-flash": 1_040_000,
            "accounts/fireworks/models/gpt-oss-120b": 131_072,
        },
        price_id="fireworks",
    ),
    CloudProvider(
        name="openrouter",
        label="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        models={
            "openrouter/auto": None,
            "openai/gpt-6.1-sol": 1_050_000,
            "anthropic/claude-sonnet-5.5": 1_000_000,
            "google/gemini-3.8-flash": 1_048_576,
            "deepseek/deepseek-v4-flash": 1_000_000,
        },
        price_id="openrouter",
    ),
    CloudProvider(
        name="deepseek",
        label="DeepSeek",
        base_url="https://api.deepseek.com/v1",
        models={
            "deepseek-v4-flash": 1_000_000,
            "deepseek-v4-pro": 1_000_000,
            "deepseek-chat": 128_000,
            "deepseek-reasoner": 128_000,
        },
        price_id="deepseek",
    ),
)
CLOUD: Mapping[str, CloudProvider] = {each.name: each for each in CLOUD_PROVIDERS}


def well_known_models(provider: str) -> Mapping[str, int | None]:
    """Return the well-known models of a provider, also for a personal key ("own-openai")."""
    cloud = CLOUD.get(provider.removeprefix(OWN_KEY_PREFIX))
    return cloud.models if cloud else {}
