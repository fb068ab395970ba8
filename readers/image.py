"""Reader for images: scale down, rotate upright and re-encode the pixels without metadata.

EXIF data (location, camera), comments and colour profiles are dropped.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageFile
from PIL.Image import DecompressionBombError, DecompressionBombWarning, Transpose

from readers.errors import ReaderError

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_OUTPUT_FORMATS = {"PNG", "JPEG"}
_ANIMATED_FORMATS = {"PNG", "WEBP", "GIF"}  # not JPEG: Pillow counts embedded previews as frames
_MAX_SIDE = 1568  # pixels
_MAX_PIXELS = 100_000_000
_MAX_PNG_BYTES = 3_000_000  # photos exceed it and are stored as JPEG
_JPEG_QUALITY = 85
_ORIENTATION_TAG = 0x0112
_TRANSPOSE_BY_ORIENTATION = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Return a PNG or JPEG with no side longer than `options["side"]`; the first frame if animated.

    Header: `width`, `height`, `media_type`, `is_animated`, `is_valid`. `is_valid` is true if the
    input itself is an undamaged, unanimated PNG or JPEG of at most that size.
    """
    Image.MAX_IMAGE_PIXELS = _MAX_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", DecompressionBombWarning)
    try:  # the pixel limit is checked against the header, before decoding
        source = Image.open(BytesIO(data), formats=_FORMATS)
        is_animated = source.format in _ANIMATED_FORMATS and bool(
            getattr(source, "is_animated", False)
        )
        transpose, profile = _transpose(source), source.info.get("icc_profile")
        max_side, size = options.get("side", _MAX_SIDE), source.size
        image = _to_srgb(_scale(source, max_side), profile)
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise ReaderError("too_complex") from error
    if transpose is not None:
        image = image.transpose(transpose)
    media_type, content = _encode(image, is_lossless=source.format in {"PNG", "GIF"})
    width, height = image.size
    header = {"width": width, "height": height, "media_type": media_type}
    is_valid = source.format in _OUTPUT_FORMATS and not is_animated and max(size) <= max_side
    return header | {"is_animated": is_animated, "is_valid": is_valid}, content


def _scale(source: Image.Image, max_side: int) -> Image.Image:
    """Return the image in mode L, RGB, RGBA or CMYK, scaled to fit a square of `max_side`.

    Scaling comes first because it makes the later steps cheap.
    """
    image = source
    if source.mode.startswith("I"):
        image = source.point(lambda value: value / 256).convert("L")  # 16 bits to 8
    elif source.has_transparency_data and source.mode != "RGBA":
        image = source.convert("RGBA")
    elif source.mode not in {"L", "RGB", "RGBA", "CMYK"}:
        image = source.convert("L" if source.mode == "1" else "RGB")
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return image


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and image.mode != "L":
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        with suppress(ImageCms.PyCMSError, OSError, ValueError):  # ignore a damaged profile
            embedded = ImageCms.ImageCmsProfile(BytesIO(profile))
            srgb = ImageCms.createProfile("sRGB")
            image = ImageCms.profileToProfile(image, embedded, srgb, outputMode=mode) or image
    if image.mode == "CMYK" or (image.mode == "RGBA" and _is_opaque(image)):
        return image.convert("RGB")
    return image


def _is_opaque(image: Image.Image) -> bool:
    return image.getchannel("A").getextrema() == (255, 255)


def _transpose(source: Image.Image) -> Transpose | None:
    try:
        return _TRANSPOSE_BY_ORIENTATION.get(source.getexif().get(_ORIENTATION_TAG, 1))
    except Exception:  # Pillow raises many types on damaged EXIF data; ignore it
        return None


def _encode(image: Image.Image, *, is_lossless: bool) -> tuple[str, bytes]:
    bare = Image.new(image.mode, image.size)  # encoders write metadata from `Image.info`
    bare.paste(image)
    if is_lossless or bare.mode == "RGBA":
        content = _save(bare, "PNG")
        if bare.mode == "RGBA" or len(content) <= _MAX_PNG_BYTES:
            return "image/png", content
    return "image/jpeg", _save(bare, "JPEG", quality=_JPEG_QUALITY)


def _save(image: Image.Image, name: str, **options: int) -> bytes:
    output = BytesIO()
    image.save(output, name, **options)
    return output.getvalue()
