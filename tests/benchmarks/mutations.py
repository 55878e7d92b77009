"""Load chips whose bytes were changed at random: does any crash, hang, or raise something else than a ChipError?

    python -m tests.benchmarks.mutations

The chips are rendered. Each mutation is one of four: flipped bits, a splice of another file, a truncation, and changed
bytes in the first 300, where the headers are. A crash ends the script; a hang or another exception is counted.
"""

import argparse
import collections
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from features.arrays import Chip
from features.images import chips
from features.images.chips import ChipError
from features.images.spec import ChipSpec
from tests.benchmarks import tables
from tests.features.images.images import encode

SIDE = 64
HANG_SECONDS = 2.0
HEADER_BYTES = 300
SPEC = ChipSpec(side=SIDE)

Mutation = Callable[[np.random.Generator, bytes, bytes], bytes]


def layouts() -> dict[str, bytes]:
    """Return a chip in each layout."""
    rng = np.random.default_rng(0)
    smooth = [Image.fromarray(rng.integers(20, 220, (8, 8, 3)).astype(np.uint8)).resize((SIDE, SIDE)) for _ in range(2)]
    colours: Chip = np.asarray(smooth[0])
    sensor = (np.dstack([colours, np.asarray(smooth[1])[..., 0]]).astype(np.uint16) * 30 + 2500).astype(np.uint16)
    alpha = np.full((SIDE, SIDE, 1), 255, np.uint8)
    tiles: dict[str, Any] = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    names = ["blue", "green", "red", "nir"]
    palette = {index: (index, 255 - index, index // 2, 255) for index in range(256)}
    return {
        "JPG, baseline": _save(smooth[0], "JPEG"),
        "JPG, progressive": _save(smooth[0], "JPEG", progressive=True),
        "JPG, four components": _save(smooth[0].convert("CMYK"), "JPEG"),
        "PNG, 8 bits": _save(smooth[0], "PNG"),
        "PNG, palette and transparency": _save(smooth[0].quantize(50), "PNG", transparency=b"\x00\x80\xff"),
        "PNG, 16 bits and alpha": encode(np.dstack([colours, alpha]).astype(np.uint16) * 257, "PNG"),
        "TIF, uint16 strips": encode(sensor, descriptions=names, nodata=0),
        "TIF, bands apart, deflate": encode(sensor, interleave="band", compress="deflate", predictor=2),
        "TIF, LZW tiles, scales": encode(sensor // 8, compress="lzw", scales=[1e-4] * 4, **tiles),
        "TIF, JPEG tiles": encode(colours, compress="jpeg", photometric="YCbCr", **tiles),
        "TIF, grey with a mask": encode(colours[..., :1].copy(), mask=np.tri(SIDE, dtype=bool)),
        "TIF, RGBA": encode(np.dstack([colours, alpha])),
        "TIF, palette": encode(colours[..., :1].copy(), photometric="palette", colormap=palette),
    }


def _save(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def flip(rng: np.random.Generator, content: bytes, _other: bytes) -> bytes:
    """Flip one to eight bits anywhere."""
    changed = bytearray(content)
    for place in rng.integers(0, len(changed), rng.integers(1, 9)):
        changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def splice(rng: np.random.Generator, content: bytes, other: bytes) -> bytes:
    """Put a piece of another file over a piece of this one."""
    length = int(rng.integers(1, min(len(content), len(other)) // 2))
    start, source = int(rng.integers(len(content) - length)), int(rng.integers(len(other) - length))
    return content[:start] + other[source : source + length] + content[start + length :]


def truncate(rng: np.random.Generator, content: bytes, _other: bytes) -> bytes:
    """End the file anywhere."""
    return content[: int(rng.integers(len(content)))]


def change_header(rng: np.random.Generator, content: bytes, _other: bytes) -> bytes:
    """Change one to four of the first bytes to any value."""
    changed = bytearray(content)
    for place in rng.integers(0, min(HEADER_BYTES, len(changed)), rng.integers(1, 5)):
        changed[place] = int(rng.integers(256))
    return bytes(changed)


MUTATIONS: dict[str, Mutation] = {"flips": flip, "splices": splice, "truncations": truncate, "headers": change_header}


def load(path: Path) -> str:
    """Load a chip and return what happened: `chip`, `refused`, `hang`, or the name of another exception."""
    start = time.perf_counter()
    try:
        chips.load(path, SPEC)
        result = "chip"
    except (ChipError, OSError):
        result = "refused"
    except Exception as error:  # noqa: BLE001  any other is what this script looks for
        result = type(error).__name__
    return "hang" if time.perf_counter() - start > HANG_SECONDS else result


def measure(count: int, folder: Path) -> None:
    """Print a row for each layout."""
    contents = layouts()
    rng = np.random.default_rng(0)
    print("| layout | mutated chips | refused | still read | hangs | other exceptions |\n|---|---|---|---|---|---|")
    totals: collections.Counter[str] = collections.Counter()
    for name, content in contents.items():
        results: collections.Counter[str] = collections.Counter()
        path = folder / "chip"
        for number in range(-(-count // len(contents))):
            other = contents[str(rng.choice(list(contents)))]
            path.write_bytes(list(MUTATIONS.values())[number % len(MUTATIONS)](rng, content, other))
            results[load(path)] += 1
        totals += results
        print(_row(name, results))
    print(_row("all", totals))


def _row(name: str, results: "collections.Counter[str]") -> str:
    others = {kind: number for kind, number in results.items() if kind not in ("chip", "refused", "hang")}
    text = ", ".join(f"{number} {kind}" for kind, number in others.items()) or "0"
    counts = (results.total(), results["refused"], results["chip"], results["hang"])
    return f"| {name} | {' | '.join(f'{number:,}' for number in counts)} | {text} |"


def main() -> None:
    """Mutate chips and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=20_000, help="number of mutated chips")
    tables.add_options(parser)
    options = parser.parse_args()
    data = f"{options.n:,} mutations of rendered chips of {SIDE} x {SIDE} pixels"
    with tempfile.TemporaryDirectory() as folder, tables.recorded(options, script="mutations", data=data):
        measure(options.n, Path(folder))


if __name__ == "__main__":
    main()
