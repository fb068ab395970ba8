"""Image support of models: from the configuration, the provider's model list, or the name.

Most model lists do not include it. None means unknown; images are then sent, and the provider may
refuse them.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from chat.config.settings import Settings
from chat.providers.base import Model
from chat.providers.cloud_providers import CLOUD_PROVIDERS

_START, _END = r"(?:^|[-_/.:])", r"(?=$|[-_/.:\d])"
# Model families that any provider may host, in addition to those in `cloud_providers`.
_OPEN_MODELS = (
    rf"{_START}(?:vision|vl|vlm|multimodal|omni|llava|bakllava|moondream|pixtral|internvl|molmo"
    rf"|smolvlm|cogvlm|minicpm-[ov]){_END}"
    r"|claude-(?:[3-9]|opus|sonnet|haiku)|gemma-?[34]|llama-?4|qwen[\d.]*-?vl|qwen-vl"
    r"|grok-4|glm-[\d.]+v|nova-(?:lite|pro|premier)"
)
_VISION = re.compile(
    "|".join([_OPEN_MODELS, *(each.vision for each in CLOUD_PROVIDERS if each.vision)]),
    re.IGNORECASE,
)
_TEXT_ONLY = re.compile(
    r"gpt-3\.5|gpt-oss|(?:^|/)gpt-4(?:$|-0\d{3}|-32k)|(?:^|/)o1-(?:mini|preview)|(?:^|/)o3-mini"
    r"|deepseek-(?:chat|reasoner|coder|r1|v[234])|codestral|mixtral|mistral-7b|open-mistral|devstral"
    r"|llama-?2|llama-?3(?:[-:.]|$)(?!2-(?:11|90)b)|codellama|tinyllama|starcoder|smollm|kimi-k2"
    rf"|gemma-?2|phi-?[234](?:$|[-:])|qwen[\d.]*-coder|command-r|{_START}text{_END}",
    re.IGNORECASE,
)


def supports_vision(model: Model, settings: Settings) -> bool | None:
    """Return whether `model` accepts images; None if unknown."""
    if _is_listed(model, settings.vision_models):
        return True
    if _is_listed(model, settings.text_models):
        return False
    if model.vision is not None:
        return model.vision
    if _VISION.search(model.id):
        return True
    return False if _TEXT_ONLY.search(model.id) else None


def _is_listed(model: Model, patterns: str | None) -> bool:
    listed = [each.strip() for each in (patterns or "").split(",")]
    return any(fnmatchcase(name, each) for name in (model.id, model.ref) for each in listed if each)
