"""Draw heat over a picture of a chip: red where it is positive, blue where it is negative."""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from features.arrays import Floats, Rgb

MIN_SIDE_PIXELS = 256  # smaller chips are drawn larger, so that the line of text fits
CAPTION_PIXELS = 20  # the height of the line of text
POSITIVE, NEGATIVE = (255, 32, 0), (0, 64, 255)  # colours
MAX_OPACITY = 0.65  # of the strongest place: the chip shall stay visible
JPEG_QUALITY = 85  # of the pictures in a page


def draw_overlay(picture: Rgb, heat: Floats, caption: str) -> Image.Image:
    """Return a picture with its heat (side, side), scaled to the largest absolute value, and a line of text below."""
    strength = np.abs(heat) / max(float(np.abs(heat).max()), 1e-12)
    opacity = MAX_OPACITY * strength[..., np.newaxis]
    colour = np.where(heat[..., np.newaxis] > 0, np.array(POSITIVE), np.array(NEGATIVE))
    mixed = (1 - opacity) * picture + opacity * colour
    return with_caption(np.rint(mixed).astype(np.uint8), caption)


def with_caption(picture: Rgb, caption: str) -> Image.Image:
    """Return a picture (side, side, 3), enlarged if it is small, with a line of text below."""
    factor = -(-MIN_SIDE_PIXELS // len(picture))
    side = factor * len(picture)
    drawn = Image.new("RGB", (side, side + CAPTION_PIXELS), "white")
    drawn.paste(Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST))
    draw = ImageDraw.Draw(drawn)
    draw.text((4, side + 3), caption, fill="black", font=ImageFont.load_default(12))
    return drawn


def png_bytes(picture: Image.Image) -> bytes:
    """Return the picture as the bytes of a PNG file."""
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def jpeg_bytes(picture: Image.Image) -> bytes:
    """Return the picture as the bytes of a JPEG file."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=JPEG_QUALITY)
    return stream.getvalue()


def data_uri(picture: Image.Image) -> str:
    """Return the picture as a JPEG that a page holds itself."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg_bytes(picture)).decode()}"
