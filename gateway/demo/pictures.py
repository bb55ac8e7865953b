"""Pictures of the demo provider, drawn from a digest of the prompt: the same prompt, the same picture."""

import base64
import colorsys
import hashlib
import io
import math
import textwrap

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

Colour = tuple[int, int, int]
_MARK = "QYUAN demo provider: drawn, not generated"


def draw(prompt: str, size: tuple[int, int], index: int = 0) -> bytes:
    """A PNG of exactly `size`."""
    seed = hashlib.sha256(f"{index}:{prompt}".encode()).digest()
    picture = _sky(size, _colour(seed[0], 0.55, 0.98), _colour(seed[0] + 60 + seed[1] // 4, 0.75, 0.45))
    picture = _with_shapes(picture, seed)
    _write(picture, prompt)
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=4)
    return out.getvalue()


def b64(prompt: str, size: tuple[int, int], index: int = 0) -> str:
    return base64.b64encode(draw(prompt, size, index)).decode()


def _sky(size: tuple[int, int], high: Colour, low: Colour) -> Image.Image:
    mask = Image.linear_gradient("L").resize(size, Image.Resampling.BILINEAR)
    return Image.composite(Image.new("RGB", size, low), Image.new("RGB", size, high), mask)


def _with_shapes(picture: Image.Image, seed: bytes) -> Image.Image:
    """A soft sun, then hills in front of each other."""
    width, height = picture.size
    glow = Image.new("RGB", picture.size)
    x, y, radius = width * (40 + seed[2] % 176) // 256, height * (40 + seed[3] % 90) // 256, min(width, height) // 6
    ImageDraw.Draw(glow).ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(seed[4], 0.35, 1.0))
    picture = ImageChops.screen(picture, glow.filter(ImageFilter.GaussianBlur(radius / 6)))
    canvas = ImageDraw.Draw(picture)
    for layer in range(5):
        base = height * (46 + layer * 11) / 100
        waves = [(seed[5 + layer * 3 + part] / 255, 1 + part * 1.7 + seed[20 + layer] / 128) for part in range(3)]
        ridge = [(step, base - height * 0.05 * _wave(step / width, waves)) for step in range(0, width + 9, 8)]
        shade = _colour(seed[0] + 40 + layer * 9 + seed[1] // 4, 0.45 + layer * 0.1, 0.62 - layer * 0.115)
        canvas.polygon([(0, height), *ridge, (width + 8, height)], fill=shade)
    return picture


def _write(picture: Image.Image, prompt: str) -> None:
    """The prompt on the hills and who drew it; the built-in font knows Latin letters only."""
    width, height = picture.size
    canvas = ImageDraw.Draw(picture)
    large, small = ImageFont.load_default(width // 26), ImageFont.load_default(width // 56)
    latin = " ".join("".join(char if char.isprintable() and ord(char) < 0x250 else " " for char in prompt).split())  # noqa: PLR2004 the end of Latin Extended-B
    lines = textwrap.wrap(latin, 40)[:3] or ["(a prompt in another script)"]
    top = height - width // 26 * 1.35 * len(lines) - width // 14
    for number, line in enumerate(lines):
        canvas.text((width // 20, top + number * (width // 26) * 1.35), line, font=large, fill=(255, 255, 255))
    canvas.text((width // 20, height - width // 24), _MARK, font=small, fill=(225, 225, 225))


def _wave(position: float, waves: list[tuple[float, float]]) -> float:
    return sum(
        math.sin(math.tau * (phase + position * speed)) / (part + 1) for part, (phase, speed) in enumerate(waves)
    )


def _colour(hue: int, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 256 / 256, min(saturation, 1.0), max(value, 0.05))
    return int(red * 255), int(green * 255), int(blue * 255)
