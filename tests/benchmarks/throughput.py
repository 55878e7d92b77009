"""Chips a second from files to network outputs: this project's pipeline, Keras', and ONNX Runtime's, on one graph.

    python -m tests.benchmarks.throughput CHIPS [--side 256] [--networks mobilenet_v2,resnet50,convnext_tiny]

Each way is a process of its own, and each network has random weights, the same for all. Keras decodes by
`keras.utils.load_img` on as many workers as there are cores: TensorFlow's own operation turns the competition's
four-component chips black. ONNX Runtime, where it and tf2onnx are installed, gets this project's decoder. Two limits
are measured in the same run: decoding alone, and a matrix product of 4096 x 4096 in the same precision.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from features import chips, extract, listing, runtime

JOBS = os.cpu_count() or 1
BATCH = runtime.BATCH
WAYS = ("keras", "onnx", "f32", "bf16")
MULTIPLICATIONS = {"mobilenet_v2": 0.30e9, "resnet50": 4.1e9, "convnext_tiny": 4.5e9}  # a chip of 224 x 224


def make(name: str, side: int, folder: Path) -> None:
    """Write one network in the forms that the ways read."""
    import keras  # noqa: PLC0415  only a process that needs it loads it

    from features import backbones, convert  # noqa: PLC0415

    keras.utils.set_random_seed(0)
    model = backbones.build(name, chips.ChipSpec(side=side))
    convert.export(model, folder)
    model.save_weights(folder / "network.weights.h5")
    try:
        model.predict_on_batch(np.zeros((1, side, side, 3), np.uint8))
        model.export(folder / "network.onnx", format="onnx", verbose=False)
    except ImportError:
        print("tf2onnx is not installed; ONNX Runtime is left out", file=sys.stderr)


def keras_outputs(name: str, places: listing.Listing, side: int, folder: Path) -> Iterator[np.ndarray]:
    """Keras' own: a PyDataset on threads, and `predict`."""
    import keras  # noqa: PLC0415

    from features import backbones  # noqa: PLC0415

    class Images(keras.utils.PyDataset):
        def __len__(self) -> int:
            return (len(places) + BATCH - 1) // BATCH

        def __getitem__(self, step: int) -> np.ndarray:
            part = places[step * BATCH : (step + 1) * BATCH]
            images = [keras.utils.load_img(place, target_size=(side, side)) for place in part]
            return np.stack([keras.utils.img_to_array(image, dtype="uint8") for image in images])

    model = backbones.build(name, chips.ChipSpec(side=side))
    model.load_weights(folder / "network.weights.h5")
    yield model.predict(Images(workers=JOBS, max_queue_size=4 * JOBS), verbose=0)


def onnx_outputs(places: listing.Listing, side: int, folder: Path) -> Iterator[np.ndarray]:
    """ONNX Runtime on all cores, fed by this project's decoder on threads."""
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    name, spec = session.get_inputs()[0].name, chips.ChipSpec(side=side)
    with ThreadPoolExecutor(JOBS) as pool:
        decoded = pool.map(lambda place: chips.load(place, spec), places)  # all at once: it need not be bounded
        for first in range(0, len(places), BATCH):
            batch = np.stack([next(decoded) for _ in places[first : first + BATCH]])
            yield session.run(None, {name: batch})[0]


def our_outputs(places: listing.Listing, side: int, folder: Path, hint: str) -> Iterator[np.ndarray]:
    """What `predict` and `embed` run."""
    content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
    network = runtime.load(*content, jobs=JOBS, hint=hint)
    for outputs in extract.stream(places, [network], chips.ChipSpec(side=side), jobs=JOBS):
        yield outputs.values[0][0]


def child(way: str, name: str, folder: Path, chosen: argparse.Namespace) -> None:
    """One way in this process; prints its costs."""
    start = time.perf_counter()
    places = listing.chips([chosen.chips])
    if way == "keras":
        outputs = keras_outputs(name, places, chosen.side, folder)
    elif way == "onnx":
        outputs = onnx_outputs(places, chosen.side, folder)
    else:
        outputs = our_outputs(places, chosen.side, folder, way)
    values = np.concatenate(list(outputs))
    wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_SELF)
    np.save(folder / f"{way}.npy", values)
    costs = {"wall": wall, "processor": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / 1024}
    print(json.dumps({**costs, "chips": len(places)}))


def decoding(places: listing.Listing, side: int) -> float:
    """Chips a second that the decoder makes on all cores."""
    spec = chips.ChipSpec(side=side)
    start = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as pool:
        for _ in pool.map(lambda place: chips.load(place, spec).shape, places):
            pass
    return len(places) / (time.perf_counter() - start)


def product(hint: str, side: int = 4096) -> float:
    """Floating point operations a second of a matrix product on all cores."""
    import openvino  # noqa: PLC0415  after features.runtime, which keeps its telemetry out
    import openvino.opset13 as operations  # noqa: PLC0415

    left, right = (operations.parameter([side, side], np.float32) for _ in range(2))
    model = openvino.Model([operations.result(operations.matmul(left, right, False, False))], [left, right])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    given = np.ones((side, side), np.float32)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        compiled([given, given])
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def inference(folder: Path, hint: str, count: int) -> float:
    """Seconds that inference alone takes for so many chips, on all cores."""
    content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
    network = runtime.load(*content, jobs=JOBS, hint=hint)
    batch = np.zeros((BATCH, *network.chip_shape), np.uint8)
    network(np.repeat(batch, 2 * JOBS, axis=0))
    start, flights = time.perf_counter(), []
    for _ in range(-(-count // BATCH)):
        flights.append(network.start(batch))
        if len(flights) > 2 * JOBS:
            flights.pop(0)()
    for finish in flights:
        finish()
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--networks", default="mobilenet_v2,resnet50,convnext_tiny")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        way, name, folder = chosen.child
        if way == "make":
            make(name, chosen.side, Path(folder))
        else:
            child(way, name, Path(folder), chosen)
        return
    places = listing.chips([chosen.chips])
    rates = {hint: product(hint) for hint in ("f32", "bf16") if runtime.computes(hint)}
    print(f"{len(places)} chips of {chosen.chips.name} at side {chosen.side}, {JOBS} cores")
    print(
        f"decoding alone: {decoding(places, chosen.side):.0f} chips/s; matrix product: "
        + ", ".join(f"{rate / 1e12:.2f} TFLOP/s in {hint}" for hint, rate in rates.items())
    )
    print(
        "\n| network | way | chips/s | processor s per 1,000 | peak MiB | of Keras | of ONNX | inference alone, "
        "share of the time | share of the matrix rate |\n|---|---|---|---|---|---|---|---|---|"
    )
    for name in chosen.networks.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            command = [
                sys.executable,
                "-m",
                "tests.benchmarks.throughput",
                str(chosen.chips),
                "--side",
                str(chosen.side),
                "--child",
            ]
            subprocess.run([*command, "make", name, scratch], check=True, stderr=subprocess.DEVNULL)
            told = {}
            for way in WAYS:
                if (way == "onnx" and not (folder / "network.onnx").exists()) or (
                    way == "bf16" and "bf16" not in rates
                ):
                    continue
                done = subprocess.run([*command, way, name, scratch], check=True, capture_output=True, text=True)
                told[way] = json.loads(done.stdout.splitlines()[-1])
            for way, cost in told.items():
                speed = cost["chips"] / cost["wall"]
                ratios = [
                    f"{told[other]['wall'] / cost['wall']:.1f}" if other in told else "-" for other in ("keras", "onnx")
                ]
                busy = inference(folder, way, cost["chips"]) / cost["wall"] if way in rates else None
                work = 2 * MULTIPLICATIONS.get(name, np.nan) * (chosen.side / 224) ** 2
                share = f"{work * speed / rates[way]:.0%}" if way in rates else "-"
                print(
                    f"| {name} | {way} | {speed:.1f} | {1000 * cost['processor'] / cost['chips']:.2f} "
                    f"| {cost['peak']:.0f} | {ratios[0]} | {ratios[1]} | {'-' if busy is None else f'{busy:.0%}'} "
                    f"| {share} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
