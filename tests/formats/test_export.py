"""Tests for the table of export formats and the names of exported files."""

from __future__ import annotations

import pytest

from chat.domain.message import Role
from chat.formats.code_snippets import ApiCall, ApiEndpoint
from chat.formats.export import ExportFormat, export, export_call, file_stem
from chat.providers.base import Request, Turn
from tests.support.portable_samples import sample_conversation

CALL = ApiCall(
    "Cats", ApiEndpoint("OpenAI", "http://x/v1", None), Request("m", (Turn(Role.USER, "Hi"),))
)


@pytest.mark.parametrize("export_format", ExportFormat)
def test_export_format_has_label_file_type_and_writer(export_format: ExportFormat) -> None:
    spec = export_format.spec
    assert spec.label and spec.description
    if export_format.is_code:
        result = export_call(CALL, export_format)
        with pytest.raises(ValueError, match="call"):
            export(sample_conversation(), export_format, {})
    else:
        result = export(sample_conversation(), export_format, {})
        with pytest.raises(ValueError, match="conversation"):
            export_call(CALL, export_format)
    assert result.data
    assert result.name.endswith(f".{spec.extension}")
    assert result.media_type == spec.media_type
    assert result.media_type.count("/") == 1


def test_export_formats_have_distinct_labels_and_extensions() -> None:
    assert len({each.label for each in ExportFormat}) == len(ExportFormat)
    assert len({each.spec.extension for each in ExportFormat}) == len(ExportFormat)


@pytest.mark.parametrize(
    ("title", "stem"),
    [("../../etc/passwd", "etc-passwd"), ("CON", "conversation"), ("…", "conversation")],
)
def test_file_stem_is_valid_on_every_system(title: str, stem: str) -> None:
    assert file_stem(title) == stem
