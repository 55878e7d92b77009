"""Painters of rendered chips: the ground, and for each tag a function that paints it onto a canvas.

`PAINTERS` is in the order of painting: land use, water, roads and houses, then the weather over them.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Canvas = NDArray[np.float64]  # (side, side, 3) red, green, blue, 0 to 255
Mask = NDArray[np.float64]  # (side, side) 0 to 1
Random = np.random.Generator


def _noise(rng: Random, side: int, grain: float, octaves: int = 4) -> Mask:
    """Return smooth noise from 0 to 1: patches of `grain` sides, then of half that size and weight, and so on."""
    total = np.zeros((side, side))
    for octave in range(octaves):
        cells = max(2, min(side, round(2**octave / grain) + 1))
        grid = Image.fromarray(rng.random((cells, cells)).astype(np.float32))
        total += np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC)) / 2**octave
    low, high = total.min(), total.max()
    scaled: Mask = (total - low) / max(high - low, 1e-9)
    return scaled


def _where(noise: Mask, share: float, edge: float = 0.03) -> Mask:
    """Return a mask of about `share` of the chip where the noise is highest, with a soft edge."""
    level = np.quantile(noise, 1 - share)
    mask: Mask = np.clip((noise - level) / edge + 0.5, 0, 1)
    return mask


def _over(canvas: Canvas, mask: Mask, colour: Canvas | tuple[float, float, float]) -> Canvas:
    """Return the canvas with a colour laid over it, as opaque as the mask says."""
    return canvas + mask[..., None] * (np.asarray(colour, float) - canvas)


def _strokes(side: int, lines: list[list[tuple[float, float]]], width: float, soft: float = 0.6) -> Mask:
    """Return a mask of lines through points (x, y) from 0 to 1; `width` is in pixels of a chip of 256 pixels."""
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    for line in lines:
        points = [(x * side, y * side) for x, y in line]
        pen.line(points, fill=255, width=max(1, round(width * side / 256)), joint="curve")
    return np.asarray(image.filter(ImageFilter.GaussianBlur(soft)), float) / 255


def _wander(rng: Random, turns: float, steps: int = 40) -> list[tuple[float, float]]:
    """Return a line that crosses the chip near its middle and bends by about `turns` radians."""
    bends = np.cumsum(rng.normal(0, turns / np.sqrt(steps), steps))
    angles = rng.uniform(0, 2 * np.pi) + bends
    spots = np.cumsum(2.0 / steps * np.stack([np.cos(angles), np.sin(angles)], axis=1), axis=0)
    spots += rng.uniform(0.35, 0.65, 2) - spots[steps // 2]
    return [(float(x), float(y)) for x, y in spots]


def forest(rng: Random, side: int) -> Canvas:
    """Paint a chip of closed forest."""
    crowns, stands = _noise(rng, side, 0.03, 3), _noise(rng, side, 0.5)
    light = (0.6 * crowns + 0.4 * stands - 0.5)[..., None]
    canvas: Canvas = np.array([44.0, 60.0, 55.0]) + light * np.array([34.0, 40.0, 26.0])
    return canvas


def pasture(rng: Random, side: int) -> Canvas:
    """Paint a chip of open ground."""
    light = (_noise(rng, side, 0.4) - 0.5)[..., None]
    canvas: Canvas = np.array([96.0, 100.0, 74.0]) + light * np.array([44.0, 34.0, 30.0])
    return canvas


def _agriculture(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    rows, columns = np.mgrid[0:side, 0:side] / side
    angle = rng.uniform(0, np.pi)
    across = columns * np.cos(angle) + rows * np.sin(angle)
    along = rows * np.cos(angle) - columns * np.sin(angle)
    field = np.floor(across * rng.uniform(3, 5)) * 31 + np.floor(along * rng.uniform(2, 4))
    tones = rng.uniform(0, 1, 997)[np.mod(field, 997).astype(int)]
    colour = np.stack([84 + 70 * tones, 98 + 34 * tones, 66 + 34 * tones], axis=-1)
    colour += 12 * (_noise(rng, side, 0.1) - 0.5)[..., None]
    return _over(canvas, _where(_noise(rng, side, 1.0, 2), rng.uniform(0.3, 0.55), 0.01), colour)


def _water(canvas: Canvas, rng: Random) -> Canvas:
    river = _strokes(len(canvas), [_wander(rng, 2.2)], rng.uniform(14, 34), 1.2)
    colour = (70.0, 72.0, 58.0) if rng.random() < 0.5 else (30.0, 40.0, 46.0)  # white and black water
    return _over(canvas, river, colour)


def _cultivation(canvas: Canvas, rng: Random) -> Canvas:
    patches = _where(_noise(rng, len(canvas), 0.12, 2), 0.10) * _where(_noise(rng, len(canvas), 0.6, 1), 0.5)
    return _over(canvas, patches, (104.0, 118.0, 74.0))


def _bare_ground(canvas: Canvas, rng: Random) -> Canvas:
    return _over(canvas, _where(_noise(rng, len(canvas), 0.4, 3), 0.12), (178.0, 150.0, 122.0))


def _slash_burn(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    scar = _noise(rng, side, 0.5, 3)
    ash = np.array([58.0, 46.0, 42.0]) + 30 * (_noise(rng, side, 0.06, 2) - 0.5)[..., None]
    return _over(_over(canvas, _where(scar, 0.24), (112.0, 82.0, 62.0)), _where(scar, 0.19), ash)


def _blow_down(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    rows, columns = np.mgrid[0:side, 0:side] / side - rng.uniform(0.2, 0.4, 2)[:, None, None]
    bearing = np.arctan2(rows, columns) - np.pi / 4
    fan = np.clip((0.45 - np.abs(bearing)) / 0.1, 0, 1) * np.clip((0.6 - np.hypot(rows, columns)) / 0.1, 0, 1)
    return _over(canvas, fan * (0.5 + 0.5 * _noise(rng, side, 0.05, 2)), (116.0, 106.0, 82.0))


def _selective_logging(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    trails = _strokes(side, [_wander(rng, 3.0) for _ in range(4)], 2)
    gaps = _where(_noise(rng, side, 0.05, 1), 0.03) * _where(_noise(rng, side, 0.5, 1), 0.5)
    return _over(canvas, np.maximum(trails * 0.8, gaps), (128.0, 108.0, 84.0))


def _artisinal_mine(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    valley = _strokes(side, [_wander(rng, 1.5)], 46, 10)
    scars = valley * _where(_noise(rng, side, 0.12, 3), 0.6)
    ponds = valley * _where(_noise(rng, side, 0.08, 2), 0.35)
    return _over(_over(canvas, scars, (186.0, 160.0, 124.0)), ponds, (138.0, 146.0, 128.0))


def _conventional_mine(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    rows, columns = np.mgrid[0:side, 0:side] / side - rng.uniform(0.4, 0.6, 2)[:, None, None]
    depth = np.hypot(rows, columns * rng.uniform(0.8, 1.3)) + 0.06 * _noise(rng, side, 0.3)
    steps = 0.5 + 0.5 * np.sign(np.sin(depth * 90))
    colour = np.array([128.0, 118.0, 112.0]) + 46 * (steps - 0.5)[..., None]
    return _over(canvas, np.clip((0.34 - depth) / 0.02, 0, 1), colour)


def _road(canvas: Canvas, rng: Random) -> Canvas:
    lines = [_wander(rng, 0.4)]
    for _ in range(2):
        start = lines[0][int(rng.integers(10, 30))]
        angle = rng.uniform(0, 2 * np.pi)
        lines.append([start, (start[0] + np.cos(angle), start[1] + np.sin(angle))])
    return _over(canvas, _strokes(len(canvas), lines, 3), (166.0, 146.0, 122.0))


def _habitation(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    houses = Image.new("L", (side, side))
    pen = ImageDraw.Draw(houses)
    centre = rng.uniform(0.25, 0.75, 2)
    for x, y in centre + rng.normal(0, 0.09, (90, 2)):
        wide, high = rng.uniform(0.008, 0.022, 2)
        pen.rectangle((x * side, y * side, (x + wide) * side, (y + high) * side), fill=int(rng.integers(150, 255)))
    yards = np.exp(-((np.mgrid[0:side, 0:side] / side - centre[::-1, None, None]) ** 2).sum(axis=0) / 0.016)
    ground = _over(canvas, 0.6 * yards, (140.0, 124.0, 104.0))
    return _over(ground, np.asarray(houses, float) / 255, (214.0, 204.0, 196.0))


def _blooming(canvas: Canvas, rng: Random) -> Canvas:
    return _over(canvas, 0.8 * _where(_noise(rng, len(canvas), 0.012, 1), 0.05), (190.0, 180.0, 110.0))


def _partly_cloudy(canvas: Canvas, rng: Random) -> Canvas:
    side = len(canvas)
    clouds = _where(_noise(rng, side, 0.35), 0.25, 0.2)
    fall = ((side // 12, 0), (side // 16, 0))  # the sun stands in the north-west
    shadows = np.pad(clouds, fall, mode="edge")[:side, :side]
    return _over(canvas * (1 - 0.5 * shadows[..., None]), clouds, (232.0, 234.0, 236.0))


def _haze(canvas: Canvas, rng: Random) -> Canvas:
    veil = 0.45 + 0.2 * _noise(rng, len(canvas), 0.8, 2)
    return _over(canvas, veil, (176.0, 182.0, 180.0))


def _cloudy(canvas: Canvas, rng: Random) -> Canvas:
    thick = 0.9 + 0.1 * _noise(rng, len(canvas), 0.5)
    shade = np.array([200.0, 202.0, 204.0]) + 60 * (_noise(rng, len(canvas), 0.4)[..., None] - 0.5)
    return _over(canvas, thick, shade)


PAINTERS: dict[str, Callable[[Canvas, Random], Canvas]] = {
    "agriculture": _agriculture,
    "bare_ground": _bare_ground,
    "cultivation": _cultivation,
    "slash_burn": _slash_burn,
    "blow_down": _blow_down,
    "selective_logging": _selective_logging,
    "water": _water,
    "artisinal_mine": _artisinal_mine,
    "conventional_mine": _conventional_mine,
    "road": _road,
    "habitation": _habitation,
    "blooming": _blooming,
    "haze": _haze,
    "partly_cloudy": _partly_cloudy,
    "cloudy": _cloudy,
}
