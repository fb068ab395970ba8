"""Which models read images, by what their lists do not tell: the configuration, then the name.

Most providers do not say it. None means that nobody knows; then the provider is asked.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from chat.config.settings import Settings
from chat.providers.base import Model

_START, _END = r"(?:^|[-_/.:])", r"(?=$|[-_/.:\d])"
_SEES = re.compile(
    rf"{_START}(?:vision|vl|vlm|multimodal|omni|llava|bakllava|moondream|pixtral|internvl|molmo"
    rf"|smolvlm|cogvlm|minicpm-[ov]|gemini){_END}"
    r"|gpt-(?:4o|4\.1|4\.5|4-turbo|[5-9])|(?:^|/)o1(?!-mini|-preview)|(?:^|/)o3(?!-mini)|(?:^|/)o4-mini"
    r"|claude-(?:[3-9]|opus|sonnet|haiku)|gemma-?[34]|llama-?4|qwen[\d.]*-?vl|qwen-vl"
    r"|mistral-(?:small|medium|large)-latest|magistral-(?:small|medium)-latest|grok-4|glm-[\d.]+v"
    r"|nova-(?:lite|pro|premier)",
    re.IGNORECASE,
)
_IS_BLIND = re.compile(
    r"gpt-3\.5|gpt-oss|(?:^|/)gpt-4(?:$|-0\d{3}|-32k)|(?:^|/)o1-(?:mini|preview)|(?:^|/)o3-mini"
    r"|deepseek-(?:chat|reasoner|coder|r1|v[234])|codestral|mixtral|mistral-7b|open-mistral|devstral"
    r"|llama-?2|llama-?3(?:[-:.]|$)(?!2-(?:11|90)b)|codellama|tinyllama|starcoder|smollm|kimi-k2"
    rf"|gemma-?2|phi-?[234](?:$|[-:])|qwen[\d.]*-coder|command-r|{_START}text{_END}",
    re.IGNORECASE,
)


def supports_vision(model: Model, settings: Settings) -> bool | None:
    """Whether `model` reads images; None when that is not known."""
    if _is_listed(model, settings.vision_models):
        return True
    if _is_listed(model, settings.text_models):
        return False
    if model.vision is not None:
        return model.vision
    if _SEES.search(model.id):
        return True
    return False if _IS_BLIND.search(model.id) else None


def _is_listed(model: Model, patterns: str | None) -> bool:
    wanted = [each.strip() for each in (patterns or "").split(",")]
    return any(fnmatchcase(name, each) for name in (model.id, model.ref) for each in wanted if each)
