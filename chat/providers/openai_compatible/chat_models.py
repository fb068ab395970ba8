"""Which entries of a model list chat. Pure.

Types and capabilities are matched by what does not chat: unknown words are offered, because a
provider may call its chat models anything. A name counts only if it belongs to a family that does
not chat.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_TYPE_FIELDS = ("type", "task", "pipeline_tag", "model_type", "kind", "category", "mode")
# Outputs and tasks without text. "image-text-to-text" is a chat model with vision.
_NOT_CHAT_TYPE = re.compile(
    r"embed|rerank|\brank|moderat|guard|classif|similarity|feature_extraction|segment|detection"
    r"|speech|\btts\b|\bstt\b|\basr\b|transcri|translation|audio|voice|music|video|\bocr\b"
    r"|image(?!_text)|diffusion|\bvae\b|lora|upscal|depth|3d|fill_mask|tokenizer|completion_only"
)
_CHAT_TYPE = re.compile(
    r"chat|text_generation|text_to_text$|conversation|instruct|any_to_any|language|llm"
)
_CHAT_OUTPUTS = {"text", "txt", "chat", "language"}
_CHAT_METHODS = re.compile(
    r"chat|generate_?content|complet|message|respons|generate$", re.IGNORECASE
)

# Separators bound the matches, so that "guard" does not match "vanguard".
_EDGE, _END = r"(?:^|[-_/.: ])", r"(?=$|[-_/.: \d])"
_FAMILIES = (
    # embeddings and rerankers
    r"(?:text-)?(?:embed(?:ding|dings|der|s)?|bge|e5|gte|minilm|colbert|colpali|colqwen|sbert|nv-embed)",
    r"rerank(?:er)?|reranking|text2vec|sentence-transformers|mpnet|voyage|uae|stella|clip|siglip",
    r"(?:distil|ro|de|modern|albert-)?bert(?:a)?|cross-encoder|arctic-embed|instructor|simcse",
    # speech and music
    r"whisper|tts|stt|asr|audio|speech|orpheus|playai|lyria|realtime|live|transcribe|transcription",
    r"xtts|bark|kokoro|parakeet|wav2vec2?|seamless|cosyvoice|paraformer|sensevoice|sambert|chattts",
    r"eleven|elevenlabs|aura-(?:2-)?[a-z]+-e[ns]|musicgen|music|suno|voice|fish-audio|melotts|f5-tts|canary-(?:1b|qwen)",
    # images and video
    r"dall-e|dalle|image|images|imagen|imagine|flux|stable-diffusion|stable-image|sdxl|sd3|sd-turbo",
    r"diffusion|kandinsky|midjourney|ideogram|recraft|seedream|seededit|kolors|cogview|hidream",
    r"pixart|playground-v|nano-banana|hunyuan-?image|hunyuan-?video|qwen-image|z-image",
    r"veo|sora|video|seedance|kling|hailuo|wan|wanx|wan2|cogvideo(?:x)?|luma|runway|gen-?[34]-turbo",
    r"ltx|mochi|svd|pika|vidu|pixverse|skyreels|framepack|hunyuan3d|trellis|upscaler|esrgan|gfpgan",
    # moderation, recognition and others
    r"moderation|guard|safeguard|shieldgemma|wildguard|nemoguard|ocr|aqa|robotics|segment-anything",
    r"sam2?|grounding-dino|yolo(?:v\d+)?|depth-anything|topic-control|content-safety|reward",
    # the older completions API
    r"davinci|babbage|curie|ada|instruct-0914|computer-use",
)
_NOT_CHAT_NAME = re.compile(
    rf"{_EDGE}(?:{'|'.join(_FAMILIES)}){_END}"
    r"|gpt-3\.5-turbo-instruct|embedding|nomic-embed|mxbai-embed|llamaguard|sensevoice|deepseek-ocr"
    r"|text-to-(?:image|speech|video)|-i2v|-t2v|-t2i|-vc$",
    re.IGNORECASE,
)


def can_chat(entry: dict[str, Any]) -> bool:
    """Return whether an entry of a model list is a chat model, as far as it can be known."""
    if entry.get("active") is False or entry.get("supports_chat") is False:
        return False
    if any(_is_other_type(kind) for kind in _types(entry)):
        return False
    if not _has_chat_capability(entry) or not _has_text_output(entry):
        return False
    return _NOT_CHAT_NAME.search(entry["id"]) is None


def _types(entry: dict[str, Any]) -> Iterator[str]:
    for name in _TYPE_FIELDS:
        value = entry.get(name)
        if isinstance(value, str):
            yield re.sub(r"[^a-z0-9]+", "_", value.lower())


def _is_other_type(kind: str) -> bool:
    words = kind.replace("_", " ")
    is_other = _NOT_CHAT_TYPE.search(kind) or _NOT_CHAT_TYPE.search(words)
    return bool(is_other) and not _CHAT_TYPE.search(kind)


def _has_chat_capability(entry: dict[str, Any]) -> bool:
    capabilities = entry.get("capabilities")
    if isinstance(capabilities, dict):
        for name in ("completion_chat", "chat_completion", "chat"):
            if capabilities.get(name) is False:
                return False
        return True
    methods = entry.get("supported_generation_methods") or entry.get("supportedGenerationMethods")
    methods = methods or entry.get("endpoints") or entry.get("supported_endpoints")
    if isinstance(methods, list) and methods:
        return any(_CHAT_METHODS.search(str(each)) for each in methods)
    if isinstance(capabilities, list) and capabilities:
        return not all(_is_other_type(str(each).lower().replace("-", "_")) for each in capabilities)
    return True


def _has_text_output(entry: dict[str, Any]) -> bool:
    architecture = entry.get("architecture")
    places = [entry, architecture if isinstance(architecture, dict) else {}]
    for place in places:
        outputs = place.get("output_modalities") or place.get("outputModalities")
        if isinstance(outputs, list) and outputs:
            return bool(_CHAT_OUTPUTS & {str(each).lower() for each in outputs})
        modality = place.get("modality")
        if isinstance(modality, str) and "->" in modality:
            return "text" in modality.partition("->")[2].lower()
    return True
