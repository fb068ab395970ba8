"""Pictures: scaled down, turned upright, and drawn anew with nothing but their pixels.

Where and with what a photo was taken, its comments, its colour profile: none of it is passed on.
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms, ImageFile
from PIL.Image import DecompressionBombError, DecompressionBombWarning, Transpose

from readers.problems import Problem

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_DRAWN = {"PNG", "JPEG"}
_ANIMATED = {"PNG", "WEBP", "GIF"}  # a photo may come with a small one of itself
_SIDE = 1568  # pixels
_MOST_PIXELS = 100_000_000
_MOST_PNG = 3_000_000  # bytes; a drawing stays below it, a photo is better off as JPEG
_QUALITY = 85
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def read(data: bytes, options: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Header: `width`, `height`, `media_type`, `is_animated`, `is_sound`. Content: a PNG or a JPEG.

    `is_sound`: the file itself is such a PNG or JPEG, whole and no larger than what is made of it.
    Of an animation the first picture is taken. No side is longer than `options["side"]`.
    """
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", DecompressionBombWarning)
    try:  # the size is in the header: it is refused before a pixel is looked at
        source = Image.open(BytesIO(data), formats=_FORMATS)
        is_animated = source.format in _ANIMATED and bool(getattr(source, "is_animated", False))
        turn, profile = _turn(source), source.info.get("icc_profile")
        side, size = options.get("side", _SIDE), source.size
        picture = _in_srgb(_scaled(source, side), profile)
    except (DecompressionBombError, DecompressionBombWarning) as error:
        raise Problem("too_complex") from error
    if turn is not None:
        picture = picture.transpose(turn)
    media_type, content = _drawn(picture, is_drawing=source.format in {"PNG", "GIF"})
    width, height = picture.size
    header = {"width": width, "height": height, "media_type": media_type}
    is_sound = source.format in _DRAWN and not is_animated and max(size) <= side
    return header | {"is_animated": is_animated, "is_sound": is_sound}, content


def _scaled(source: Image.Image, side: int) -> Image.Image:
    """At most `side` long and wide; L, RGB, RGBA or CMYK. Scaled first: the rest then is cheap."""
    picture = source
    if source.mode.startswith("I"):
        picture = source.point(lambda value: value / 256).convert("L")  # sixteen bits to eight
    elif source.has_transparency_data and source.mode != "RGBA":
        picture = source.convert("RGBA")
    elif source.mode not in {"L", "RGB", "RGBA", "CMYK"}:
        picture = source.convert("L" if source.mode == "1" else "RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return picture


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile and picture.mode != "L":
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        with suppress(ImageCms.PyCMSError, OSError, ValueError):  # a bad profile is no profile
            given = ImageCms.ImageCmsProfile(BytesIO(profile))
            wanted = ImageCms.createProfile("sRGB")
            picture = ImageCms.profileToProfile(picture, given, wanted, outputMode=mode) or picture
    if picture.mode == "CMYK" or (picture.mode == "RGBA" and _is_opaque(picture)):
        return picture.convert("RGB")
    return picture


def _is_opaque(picture: Image.Image) -> bool:
    return picture.getchannel("A").getextrema() == (255, 255)


def _turn(source: Image.Image) -> Transpose | None:
    try:
        return _UPRIGHT.get(source.getexif().get(_ORIENTATION, 1))
    except Exception:  # a photo with damaged notes still is a photo
        return None


def _drawn(picture: Image.Image, *, is_drawing: bool) -> tuple[str, bytes]:
    bare = Image.new(picture.mode, picture.size)  # savers look for notes in what they are given
    bare.paste(picture)
    if is_drawing or bare.mode == "RGBA":
        content = _saved(bare, "PNG")
        if bare.mode == "RGBA" or len(content) <= _MOST_PNG:
            return "image/png", content
    return "image/jpeg", _saved(bare, "JPEG", quality=_QUALITY)


def _saved(picture: Image.Image, name: str, **options: int) -> bytes:
    output = BytesIO()
    picture.save(output, name, **options)
    return output.getvalue()
