"""Pictures of products: what may be uploaded, and the sizes in which it is shown.

Pages show WebP files of three widths, made from the upload when the first browser asks for one and kept beside it, so
pictures that were uploaded long ago need no command. They have no metadata (a phone notes where it was), stand upright
and are at most as wide as the original. The upload itself is never sent to anybody.
"""

import threading
from io import BytesIO
from pathlib import PurePosixPath

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.utils.formats import number_format
from django.utils.translation import gettext
from PIL import Image, ImageOps, UnidentifiedImageError

WIDTHS = (240, 480, 960)  # pixels: an order's picture, a card, a product's page, each on a sharp screen, too
QUALITY = 80
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")  # none of them can hold a script
MAX_MEGABYTES = 10
MAX_PIXELS = 40_000_000
MAX_HEIGHT = 16_383  # pixels: no WebP is higher
FOLDER = "sizes"
# One picture at a time is opened to be shown: of the largest, pixels alone take some hundred megabytes.
_one_at_a_time = threading.Lock()
# What a broken, cut or hostile file makes Pillow raise.
BROKEN = (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, EOFError)


class PictureBroken(Exception):
    """An upload is gone or cannot be opened as a picture."""


def validate_picture(upload: File) -> None:
    """Of a new upload: ValidationError for what is no picture of the known formats, or too large to be sized down."""
    if upload.closed:  # stored before, and perhaps not there any more
        return
    if upload.size > MAX_MEGABYTES << 20:
        raise ValidationError(
            gettext("The picture has {size} MB; up to {most} are taken.").format(
                size=number_format(f"{upload.size / (1 << 20):.1f}"), most=MAX_MEGABYTES
            )
        )
    try:
        upload.seek(0)
        with Image.open(upload.file or BytesIO(), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                millions = MAX_PIXELS // 1_000_000
                raise ValidationError(
                    gettext("The picture has {width} x {height} pixels; up to {millions} million are taken.").format(
                        width=width, height=height, millions=millions
                    )
                )
            image.load()
    except BROKEN:
        raise ValidationError(
            gettext("This is no whole picture in one of the formats {formats}.").format(formats=", ".join(FORMATS))
        ) from None
    finally:
        upload.seek(0)


def sized(storage: Storage, name: str, width: int) -> str:
    """The name of the file that shows an upload at a width, made where it is not there yet. PictureBroken."""
    if FOLDER in PurePosixPath(name).parts:
        # Sizes of sizes of sizes could fill the disk.
        raise PictureBroken(f"{name} is no upload.")
    target = size_name(name, width)
    if not storage.exists(target):
        try:
            with _one_at_a_time, storage.open(name) as upload, Image.open(upload, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise PictureBroken(f"{name} has {image.width} x {image.height} pixels.")
                saved = storage.save(target, ContentFile(_shrunk(image, width)))
            if saved != target:  # another process was faster
                storage.delete(saved)
        except BROKEN as error:
            raise PictureBroken(f"{name} cannot be shown: {type(error).__name__}.") from error
    return target


def size_name(name: str, width: int) -> str:
    """`products/lamp.jpg` at 480 is `products/sizes/lamp.jpg/480.webp`."""
    path = PurePosixPath(name)
    return str(path.parent / FOLDER / path.name / f"{width}.webp")


def delete_sizes(storage: Storage, name: str) -> None:
    """Remove what was made of an upload."""
    for width in WIDTHS:
        storage.delete(size_name(name, width))


def _shrunk(image: Image.Image, width: int) -> bytes:
    profile = image.info.get("icc_profile") if image.mode == "RGB" else None
    image.draft("RGB", (2 * width, 2 * width))  # a JPEG is read no larger than it has to be
    mode = "RGBA" if image.has_transparency_data else "RGB"
    plain = image if image.mode == mode else image.convert(mode)
    smaller = min(plain.size) // (2 * width)  # times, before anything is copied
    plain = ImageOps.exif_transpose(plain.reduce(smaller) if smaller > 1 else plain)
    share = min(1, width / plain.width, MAX_HEIGHT / plain.height)
    if share < 1:
        size = [max(1, round(side * share)) for side in plain.size]
        plain = plain.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    written = BytesIO()
    plain.save(written, "WEBP", quality=QUALITY, method=4, exif=b"", icc_profile=profile or b"")
    return written.getvalue()
