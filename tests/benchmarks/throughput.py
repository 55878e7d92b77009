"""Chips a second from files to scores: this project's pipeline, Keras', ONNX Runtime's and PyTorch's, on one machine.

    python -m tests.benchmarks.throughput CHIPS... [--networks default,mobilenet_v2,resnet50,convnext_tiny]

Each way is a process of its own, timed from its start to its end. `default` is the bundled model; the other networks
have random weights, the same for Keras, ONNX Runtime and this project. Keras decodes by `keras.utils.load_img` on as
many workers as there are cores: TensorFlow's own operation turns the competition's four-component chips black. ONNX
Runtime, where it and tf2onnx are installed, gets this project's decoder. PyTorch, where it and torchvision are
installed, runs torchvision's network of the same name with its transforms, at the same side; its memory is told without
that of its workers. The first output comes so many seconds after the process began. Inference is told twice: the share
of the time in which a request was under way, waiting for its turn included, and the share that inference would need if
it had the machine to itself. Two limits are measured in the same run: decoding alone, and a matrix product of
4096 x 4096 in the same precision.
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
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from amazon_tags.model import bundle
from amazon_tags.prediction.predict import score_chips
from features.images import chips, listing
from features.images.chips import ChipSpec
from features.images.listing import Listing
from features.networks import extract, openvino_runtime

JOBS = len(os.sched_getaffinity(0))
BATCH = openvino_runtime.BATCH
WAYS = ("keras", "torch", "onnx", "f32", "bf16")
DEFAULT = "default"  # the bundled model, with its head
MULTIPLICATIONS = {"mobilenet_v2": 0.30e9, "resnet50": 4.1e9, "convnext_tiny": 4.5e9}  # a chip of 224 x 224


def built(name: str, side: int) -> Any:
    """A network in Keras: of the bundled model the mean of its members, else a backbone."""
    import keras  # noqa: PLC0415  only a process that needs it loads it

    from features.networks import backbones  # noqa: PLC0415
    from tests.benchmarks import plain_keras  # noqa: PLC0415

    if name == DEFAULT:
        members = plain_keras.members(bundle.DEFAULT)
        eaten = keras.Input(members[0].input.shape[1:], dtype="uint8")
        return keras.Model(eaten, keras.layers.average([member(eaten) for member in members]))
    keras.utils.set_random_seed(0)
    return backbones.build(name, ChipSpec(side=side))


def make(name: str, side: int, folder: Path) -> None:
    """Write one network in the forms that the ways read."""
    from features.networks import openvino_export  # noqa: PLC0415

    model = built(name, side)
    if name != DEFAULT:
        openvino_export.export(model, folder)
    model.save_weights(folder / "network.weights.h5")
    try:
        model.predict_on_batch(np.zeros((1, side, side, 3), np.uint8))
        model.export(folder / "network.onnx", format="onnx", verbose=False)
    except ImportError:
        print("tf2onnx is not installed; ONNX Runtime is left out", file=sys.stderr)


def keras_outputs(name: str, places: Listing, side: int, folder: Path, moments: list[float]) -> Iterator[np.ndarray]:
    """Keras' own: a PyDataset on threads, and `predict`; it notes when each batch is done."""
    import keras  # noqa: PLC0415

    class Images(keras.utils.PyDataset):
        def __len__(self) -> int:
            return (len(places) + BATCH - 1) // BATCH

        def __getitem__(self, step: int) -> np.ndarray:
            part = places[step * BATCH : (step + 1) * BATCH]
            images = [keras.utils.load_img(place, target_size=(side, side), interpolation="bilinear") for place in part]
            return np.stack([keras.utils.img_to_array(image, dtype="uint8") for image in images])

    model = built(name, side)
    model.load_weights(folder / "network.weights.h5")
    clock = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda *_, **__: moments.append(time.monotonic()))
    yield model.predict(Images(workers=JOBS, max_queue_size=4 * JOBS), callbacks=[clock], verbose=0)


def torch_outputs(name: str, places: Listing, side: int) -> Iterator[np.ndarray]:
    """PyTorch with torchvision's network, loader and transforms, its own settings for threads."""
    import torch  # noqa: PLC0415
    import torchvision  # noqa: PLC0415
    from torchvision.transforms import v2  # noqa: PLC0415

    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    steps = [v2.PILToTensor(), v2.Resize((side, side)), v2.ToDtype(torch.float32, scale=True)]
    made_ready = v2.Compose([*steps, v2.Normalize(mean, deviation)])

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(places)

        def __getitem__(self, row: int) -> Any:
            return made_ready(torchvision.datasets.folder.default_loader(places[row]))

    model = torchvision.models.get_model(name).eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch in torch.utils.data.DataLoader(Images(), BATCH, num_workers=JOBS):
            yield model(batch.to(memory_format=torch.channels_last)).numpy()


def onnx_outputs(places: Listing, side: int, folder: Path) -> Iterator[np.ndarray]:
    """ONNX Runtime on all cores, fed by this project's decoder on threads."""
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    name, spec = session.get_inputs()[0].name, ChipSpec(side=side)
    with ThreadPoolExecutor(JOBS) as pool:
        decoded = pool.map(lambda place: chips.load(place, spec), places)  # all at once: it need not be bounded
        for first in range(0, len(places), BATCH):
            batch = np.stack([next(decoded) for _ in places[first : first + BATCH]])
            yield session.run(None, {name: batch})[0]


def our_outputs(name: str, places: Listing, side: int, folder: Path, hint: str) -> Iterator[np.ndarray]:
    """What `predict` and `embed` run."""
    if name == DEFAULT:
        model = bundle.load(bundle.DEFAULT, jobs=JOBS, precision=hint)
        yield from (part.scores for part in score_chips(places, model, jobs=JOBS))
        return
    content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
    network = openvino_runtime.load(*content, jobs=JOBS, hint=hint)
    for outputs in extract.stream_outputs(places, [network], ChipSpec(side=side), jobs=JOBS):
        yield outputs.values[0][0]


def watch() -> list[tuple[float, float]]:
    """From now on, when each request to OpenVINO began and ended; it counts how long each was under way."""
    request = openvino_runtime.openvino.InferRequest
    begin, wait = request.start_async, request.wait
    began: dict[int, float] = {}
    flights: list[tuple[float, float]] = []

    def started(flying: Any, *inputs: Any, **how: Any) -> None:
        began[id(flying)] = time.perf_counter()
        begin(flying, *inputs, **how)

    def waited(flying: Any) -> None:
        wait(flying)
        moment = began[id(flying)]
        flights.append((moment, moment + flying.latency / 1000))

    request.start_async, request.wait = started, waited
    return flights


def covered(flights: list[tuple[float, float]]) -> float:
    """Seconds in which at least one was under way."""
    total = end = 0.0
    for first, last in sorted(flights):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def child(way: str, name: str, folder: Path, chosen: argparse.Namespace) -> None:
    """One way in this process; prints its costs but for the time, which whoever started it knows."""
    places = listing.chips(chosen.chips)
    flights = watch()
    moments: list[float] = []
    if way == "keras":
        outputs = keras_outputs(name, places, chosen.side, folder, moments)
    elif way == "torch":
        outputs = torch_outputs(name, places, chosen.side)
    elif way == "onnx":
        outputs = onnx_outputs(places, chosen.side, folder)
    else:
        outputs = our_outputs(name, places, chosen.side, folder, way)
    done = 0
    for part in outputs:
        moments.append(time.monotonic())
        done += len(part)
    if done != len(places):
        raise SystemExit(f"{way} gave {done} outputs for {len(places)} chips")
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    told = {"processor": processor, "peak": int(peak.split()[1]) / 1024, "first": moments[0]}
    print(json.dumps({**told, "chips": done, "flying": covered(flights)}))


def decoding(places: Listing, side: int) -> float:
    """Chips a second that the decoder makes on all cores."""
    spec = ChipSpec(side=side)
    start = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as pool:
        for _ in pool.map(lambda place: chips.load(place, spec).shape, places):
            pass
    return len(places) / (time.perf_counter() - start)


def product(hint: str, side: int = 4096) -> float:
    """Floating point operations a second of a matrix product on all cores."""
    import openvino  # noqa: PLC0415  after features.runtime, which keeps its telemetry out
    import openvino.opset13 as operations  # noqa: PLC0415

    left = operations.parameter([side, side], np.float32)
    right = np.random.default_rng(0).random((side, side), np.float32)
    model = openvino.Model([operations.result(operations.matmul(left, right, False, False))], [left])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    times = []
    for _ in range(8):
        start = time.perf_counter()
        compiled(right)
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def inference(name: str, folder: Path, hint: str, count: int) -> float:
    """Seconds that inference alone takes for so many chips, on all cores."""
    if name == DEFAULT:
        networks = bundle.load(bundle.DEFAULT, jobs=JOBS, precision=hint).networks
    else:
        content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
        networks = [openvino_runtime.load(*content, jobs=JOBS, hint=hint)]
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, *networks[0].chip_shape), np.uint8)
    for network in networks:
        network(np.repeat(batch, 2 * JOBS, axis=0))
    start, flights = time.perf_counter(), []
    for _ in range(-(-count // BATCH)):
        flights.extend(network.start(batch) for network in networks)
        if len(flights) > 2 * JOBS:
            flights.pop(0)()
    for finish in flights:
        finish()
    return time.perf_counter() - start


def ways(name: str, folder: Path) -> list[str]:
    """Those that run here."""
    there = {
        "keras": True,
        "torch": name != DEFAULT and find_spec("torchvision") is not None,
        "onnx": (folder / "network.onnx").exists(),
    }
    return [way for way in WAYS if (there[way] if way in there else openvino_runtime.supports(way))]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256, help="of the networks with random weights")
    parser.add_argument("--networks", default="default,mobilenet_v2,resnet50,convnext_tiny")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        way, name, folder = chosen.child
        if way == "make":
            make(name, chosen.side, Path(folder))
        else:
            child(way, name, Path(folder), chosen)
        return
    places = listing.chips(chosen.chips)
    rates = {hint: product(hint) for hint in ("f32", "bf16") if openvino_runtime.supports(hint)}
    print(f"{len(places)} chips of {', '.join(path.name for path in chosen.chips)}, {JOBS} cores")
    print(
        f"decoding alone: {decoding(places, chosen.side):.0f} chips/s; matrix product: "
        + ", ".join(f"{rate / 1e12:.2f} TFLOP/s in {hint}" for hint, rate in rates.items())
    )
    print(
        "\n| network | way | chips/s | processor s per 1,000 | peak MiB | first output, s "
        "| times Keras, clock and processor | times ONNX Runtime | cores busy "
        "| inference under way | inference alone | share of the matrix rate |"
        "\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in chosen.networks.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            report(name, Path(scratch), rates, chosen)


def report(name: str, folder: Path, rates: dict[str, float], chosen: argparse.Namespace) -> None:
    """Run the ways of one network, each in its own process, and print a row for each."""
    command = [sys.executable, "-m", "tests.benchmarks.throughput", *map(str, chosen.chips), "--side", str(chosen.side)]
    command += ["--child"]
    subprocess.run([*command, "make", name, str(folder)], check=True, stderr=subprocess.DEVNULL)
    told: dict[str, dict[str, float]] = {}
    for way in ways(name, folder):
        start = time.monotonic()  # which all processes share
        done = subprocess.run([*command, way, name, str(folder)], capture_output=True, text=True, check=False)
        wall = time.monotonic() - start
        if done.returncode:
            print(f"{way} cannot run {name}: {done.stderr.splitlines()[-1]}", file=sys.stderr)
            continue
        told[way] = {"wall": wall, "start": start, **json.loads(done.stdout.splitlines()[-1])}
    for way, cost in told.items():
        speed = cost["chips"] / cost["wall"]
        keras, onnx = (
            [told[other][unit] / cost[unit] for unit in ("wall", "processor")] if other in told else None
            for other in ("keras", "onnx")
        )
        ours = way in rates
        busy = inference(name, folder, way, int(cost["chips"])) / cost["wall"] if ours else 0.0
        work = 2 * MULTIPLICATIONS.get(name, 0) * (chosen.side / 224) ** 2
        cells = [
            name,
            way,
            f"{speed:.1f}",
            f"{1000 * cost['processor'] / cost['chips']:.2f}",
            f"{cost['peak']:.0f}",
            f"{cost['first'] - cost['start']:.1f}",
            f"{keras[0]:.1f}, {keras[1]:.1f}" if keras else "",
            f"{onnx[0]:.1f}, {onnx[1]:.1f}" if onnx else "",
            f"{cost['processor'] / cost['wall'] / JOBS:.0%}",
            f"{cost['flying'] / cost['wall']:.0%}" if ours else "",
            f"{busy:.0%}" if ours else "",
            f"{work * speed / rates[way]:.0%}" if ours and work else "",
        ]
        print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
