"""Image support: from the configuration, then the model list, then the name of a model."""

from __future__ import annotations

from typing import Any

import pytest

from chat.config.settings import Settings, read_settings
from chat.errors import ImagesRefused
from chat.providers.base import Model
from chat.providers.openai_compatible.error_body import ErrorBody
from chat.providers.openai_compatible.error_mapping import to_provider_error
from chat.providers.openai_compatible.model_list import merge_models
from chat.providers.vision_support import supports_vision

VISION = (
    "gpt-4o gpt-4o-mini gpt-4.1-nano gpt-4-turbo gpt-5 gpt-5-mini gpt-6.1-sol o1 o3 o4-mini "
    "chatgpt-4o-latest gemini-2.5-flash gemini-3.8-flash claude-3-haiku anthropic/claude-opus-5 "
    "llava:13b llava-phi3 pixtral-12b qwen2.5vl:7b Qwen/Qwen2-VL-72B gemma3:12b "
    "meta-llama/Llama-4-Scout llama3.2-vision:11b moondream minicpm-v:8b mistral-small-latest "
    "grok-4 glm-4.5v phi-3.5-vision InternVL-Chat"
)
TEXT_ONLY = (
    "gpt-3.5-turbo gpt-4 gpt-4-0613 gpt-4-32k o1-mini o3-mini openai/gpt-oss-120b deepseek-chat "
    "deepseek-reasoner deepseek-r1:8b codestral-latest mixtral-8x7b open-mistral-7b "
    "llama-3.3-70b-versatile llama-3.1-8b-instant llama3:8b llama3.2:3b llama2 codellama "
    "meta-llama/Llama-3.3-70B-Instruct-Turbo qwen2.5-coder:7b tinyllama gemma2:9b phi3 text-model"
)


@pytest.mark.parametrize("name", VISION.split())
def test_vision_models_are_recognized_by_name(name: str) -> None:
    assert supports_vision(Model("any", name), Settings()) is True


@pytest.mark.parametrize("name", TEXT_ONLY.split())
def test_text_models_are_recognized_by_name(name: str) -> None:
    assert supports_vision(Model("any", name), Settings()) is False


@pytest.mark.parametrize("name", ["echo", "my-model", "context-7b", "olive"])
def test_other_model_names_are_unknown(name: str) -> None:
    assert supports_vision(Model("any", name), Settings()) is None


def test_configured_patterns_take_precedence() -> None:
    settings = read_settings({"VISION_MODELS": "gpt-3.5*, lab/one", "TEXT_MODELS": "gpt-4o"})
    assert supports_vision(Model("openai", "gpt-3.5-turbo"), settings) is True
    assert supports_vision(Model("lab", "one"), settings) is True
    assert supports_vision(Model("other", "one"), settings) is None
    assert supports_vision(Model("openai", "gpt-4o", vision=True), settings) is False


@pytest.mark.parametrize(
    ("entry", "vision"),
    [
        ({"architecture": {"input_modalities": ["text", "image"]}}, True),
        ({"architecture": {"input_modalities": ["text"]}}, False),
        ({"capabilities": {"vision": True}}, True),
        ({"capabilities": {"vision": False}}, False),
        ({"capabilities": ["completion", "multimodal"]}, True),
        ({"capabilities": ["completion"]}, None),
        ({"supports_image_input": False}, False),
        ({"type": "vlm"}, True),
        ({"architecture": "odd", "capabilities": 3}, None),
        ({}, None),
    ],
)
def test_vision_is_read_from_the_model_list(entry: dict[str, Any], vision: bool | None) -> None:
    (model,) = merge_models("any", (), [{"id": "gpt-4", **entry}])
    assert model.vision is vision


def test_model_list_takes_precedence_over_the_name() -> None:
    assert supports_vision(Model("any", "gpt-4o", vision=False), Settings()) is False


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "No endpoints found that support image input"),
        (400, "Invalid content type. image_url is only supported by certain models."),
        (422, "Failed to deserialize: messages[0]: unknown variant `image_url`, expected `text`"),
        (400, "'messages.0' : content must be a string"),
        (500, "image input is not supported - hint: you may need to provide the mmproj"),
        (400, "This model does not support image inputs."),
    ],
)
def test_refused_image_raises_images_refused(status: int, message: str) -> None:
    error = to_provider_error(ErrorBody(status, message), {}, provider="P", model="m", secrets=())
    assert isinstance(error, ImagesRefused)


def test_error_about_an_image_is_not_images_refused() -> None:
    error = to_provider_error(
        ErrorBody(400, "The image is too small."), {}, provider="P", model="m", secrets=()
    )
    assert not isinstance(error, ImagesRefused)
