"""Measure chips per second from files to scores: this project, Keras, ONNX Runtime and PyTorch on one machine.

    python -m tests.benchmarks.throughput CHIPS... [--networks default,mobilenet_v2,resnet50,convnext_tiny]

Each way is a process of its own, timed from its start to its end. `default` is the bundled model; the other networks
have random weights, the same for Keras, ONNX Runtime and this project.

- keras: a `PyDataset` with as many threads as there are cores. It decodes with `keras.utils.load_img`: TensorFlow's own
  operation turns the competition's four-component chips black.
- onnx: ONNX Runtime with this project's decoder, where onnxruntime and tf2onnx are installed.
- torch: torchvision's network of the same name with its loader and transforms, at the same side, where PyTorch and
  torchvision are installed. Its memory does not include that of its workers.
- f32, bf16: this project, by precision.

The first output is counted from the start of the process. Inference has two columns: the share of the time in which at
least one request was computed or waiting, and the share that inference takes if nothing else runs. Two limits are
measured in the same run: decoding alone, and a matrix product of 4096 x 4096 in the same precision.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from amazon_tags.model import bundle
from amazon_tags.prediction.predict import score_chips
from features.images import chips, listing
from features.images.listing import Listing
from features.images.spec import ChipSpec
from features.networks import extract, openvino_runtime
from tests.benchmarks import tables

JOBS = len(os.sched_getaffinity(0))
BATCH = openvino_runtime.BATCH
WAYS = ("keras", "torch", "onnx", "f32", "bf16")
DEFAULT = "default"  # the bundled model, with its head
MULTIPLICATIONS = {"mobilenet_v2": 0.30e9, "resnet50": 4.1e9, "convnext_tiny": 4.5e9}  # for a chip of 224 x 224
MATRIX_SIDE = 4096  # large enough that the processor, not its memory, is the limit

Outputs = NDArray[np.float32]  # (chips of a batch, values)
Flights = list[tuple[float, float]]  # start and end of each request, seconds


def build_network(name: str, side: int) -> Any:
    """Return a network in Keras: a backbone or, for the bundled model, the mean of its members."""
    import keras  # noqa: PLC0415  only a process that needs it loads it

    from features.networks import backbones  # noqa: PLC0415
    from tests.benchmarks import plain_keras  # noqa: PLC0415

    if name == DEFAULT:
        members = plain_keras.members(bundle.DEFAULT)
        pixels = keras.Input(members[0].input.shape[1:], dtype="uint8")
        return keras.Model(pixels, keras.layers.average([member(pixels) for member in members]))
    keras.utils.set_random_seed(0)
    return backbones.build(name, ChipSpec(side=side))


def write_network(name: str, side: int, folder: Path) -> None:
    """Write a network in the formats that the ways read."""
    from features.networks import openvino_export  # noqa: PLC0415

    model = build_network(name, side)
    if name != DEFAULT:
        openvino_export.export(model, folder)
    model.save_weights(folder / "network.weights.h5")
    try:
        model.predict_on_batch(np.zeros((1, side, side, 3), np.uint8))
        model.export(folder / "network.onnx", format="onnx", verbose=False)
    except ImportError:
        print("tf2onnx is not installed: ONNX Runtime is left out.", file=sys.stderr)


def keras_outputs(name: str, paths: Listing, side: int, folder: Path, moments: list[float]) -> Iterator[Outputs]:
    """Yield the outputs of Keras' `predict`; `moments` receives the time at which each batch ends."""
    import keras  # noqa: PLC0415

    class Images(keras.utils.PyDataset):  # type: ignore[misc]  # Keras has no types
        def __len__(self) -> int:
            return (len(paths) + BATCH - 1) // BATCH

        def __getitem__(self, step: int) -> NDArray[np.uint8]:
            part = paths[step * BATCH : (step + 1) * BATCH]
            images = [keras.utils.load_img(path, target_size=(side, side), interpolation="bilinear") for path in part]
            return np.stack([keras.utils.img_to_array(image, dtype="uint8") for image in images])

    model = build_network(name, side)
    model.load_weights(folder / "network.weights.h5")
    clock = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda *_, **__: moments.append(time.monotonic()))
    yield model.predict(Images(workers=JOBS, max_queue_size=4 * JOBS), callbacks=[clock], verbose=0)


def torch_outputs(name: str, paths: Listing, side: int) -> Iterator[Outputs]:
    """Yield the outputs of torchvision's network, fed by its loader and transforms, with PyTorch's own threads."""
    import torch  # noqa: PLC0415
    import torchvision  # noqa: PLC0415
    from torchvision.transforms import v2  # noqa: PLC0415

    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    steps = [v2.PILToTensor(), v2.Resize((side, side)), v2.ToDtype(torch.float32, scale=True)]
    transform = v2.Compose([*steps, v2.Normalize(mean, deviation)])

    class Images(torch.utils.data.Dataset):  # type: ignore[misc]  # without PyTorch there are no types
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, row: int) -> Any:
            return transform(torchvision.datasets.folder.default_loader(paths[row]))

    model = torchvision.models.get_model(name).eval().to(memory_format=torch.channels_last)
    with torch.inference_mode():
        for batch in torch.utils.data.DataLoader(Images(), BATCH, num_workers=JOBS):
            yield model(batch.to(memory_format=torch.channels_last)).numpy()


def onnx_outputs(paths: Listing, side: int, folder: Path) -> Iterator[Outputs]:
    """Yield the outputs of ONNX Runtime on all cores, fed by this project's decoder on threads."""
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(folder / "network.onnx", providers=["CPUExecutionProvider"])
    name, spec = session.get_inputs()[0].name, ChipSpec(side=side)
    with ThreadPoolExecutor(JOBS) as pool:
        decoded = pool.map(lambda path: chips.load(path, spec), paths)  # unbounded: these chips fit into memory
        for first in range(0, len(paths), BATCH):
            batch = np.stack([next(decoded) for _ in paths[first : first + BATCH]])
            yield session.run(None, {name: batch})[0]


def our_outputs(name: str, paths: Listing, side: int, folder: Path, precision: str) -> Iterator[Outputs]:
    """Yield the outputs of the code that `predict` and `embed` run."""
    if name == DEFAULT:
        model = bundle.load(bundle.DEFAULT, jobs=JOBS, precision=precision)
        yield from (part.scores for part in score_chips(paths, model, jobs=JOBS))
        return
    content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
    network = openvino_runtime.load(*content, jobs=JOBS, hint=precision)
    for outputs in extract.stream_outputs(paths, [network], ChipSpec(side=side), jobs=JOBS):
        yield outputs.values[0][0]


def watch_requests() -> Flights:
    """Return a list that receives the start and the end of each request to OpenVINO from now on."""
    import openvino  # noqa: PLC0415  after openvino_runtime, which turns its telemetry off

    request = openvino.InferRequest
    start_async, wait = request.start_async, request.wait
    starts: dict[int, float] = {}
    flights: Flights = []

    def timed_start(self: Any, *inputs: Any, **keywords: Any) -> None:
        starts[id(self)] = time.perf_counter()
        start_async(self, *inputs, **keywords)

    def timed_wait(self: Any) -> None:
        wait(self)
        start = starts[id(self)]
        flights.append((start, start + self.latency / 1000))

    request.start_async, request.wait = timed_start, timed_wait
    return flights


def covered_seconds(flights: Flights) -> float:
    """Return the seconds in which at least one request was under way.

    Example:
        >>> covered_seconds([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0)])
        4.0
    """
    total = end = 0.0
    for first, last in sorted(flights):
        total += max(0.0, last - max(first, end))
        end = max(end, last)
    return total


def run_way(way: str, name: str, folder: Path, options: argparse.Namespace) -> None:
    """Run one way in this process and print its costs as JSON; the parent process measures the whole time."""
    paths = listing.chips(options.chips)
    flights = watch_requests()
    moments: list[float] = []
    if way == "keras":
        outputs = keras_outputs(name, paths, options.side, folder, moments)
    elif way == "torch":
        outputs = torch_outputs(name, paths, options.side)
    elif way == "onnx":
        outputs = onnx_outputs(paths, options.side, folder)
    else:
        outputs = our_outputs(name, paths, options.side, folder, way)

    count = 0
    for part in outputs:
        moments.append(time.monotonic())
        count += len(part)
    if count != len(paths):
        raise SystemExit(f"{way} gave {count} outputs for {len(paths)} chips.")

    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    (peak,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    costs = {
        "processor": sum(usage.ru_utime + usage.ru_stime for usage in usages),
        "peak": int(peak.split()[1]) / 1024,
        "first": moments[0],
        "chips": count,
        "under_way": covered_seconds(flights),
    }
    print(json.dumps(costs))


def decoding_rate(paths: Listing, side: int) -> float:
    """Return the chips per second that the decoder reads on all cores."""
    spec = ChipSpec(side=side)
    start = time.perf_counter()
    with ThreadPoolExecutor(JOBS) as pool:
        for _ in pool.map(lambda path: chips.load(path, spec).shape, paths):
            pass
    return len(paths) / (time.perf_counter() - start)


def matrix_rate(precision: str) -> float:
    """Return the floating point operations per second of a matrix product on all cores."""
    import openvino  # noqa: PLC0415  after openvino_runtime, which turns its telemetry off
    import openvino.opset13 as operations  # noqa: PLC0415

    shape = (MATRIX_SIDE, MATRIX_SIDE)
    left = operations.parameter(list(shape), np.float32)
    right = np.random.default_rng(0).random(shape, np.float32)
    model = openvino.Model([operations.result(operations.matmul(left, right, False, False))], [left])
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})

    times = []
    for _ in range(8):
        start = time.perf_counter()
        compiled(right)
        times.append(time.perf_counter() - start)
    return 2 * MATRIX_SIDE**3 / min(times)


def inference_seconds(name: str, folder: Path, precision: str, count: int) -> float:
    """Return the seconds that inference alone takes for `count` chips, on all cores."""
    if name == DEFAULT:
        networks = bundle.load(bundle.DEFAULT, jobs=JOBS, precision=precision).networks
    else:
        content = ((folder / part).read_bytes() for part in ("network.xml", "network.bin"))
        networks = [openvino_runtime.load(*content, jobs=JOBS, hint=precision)]
    batch = np.random.default_rng(0).integers(0, 256, (BATCH, *networks[0].chip_shape), np.uint8)
    for network in networks:
        network(np.repeat(batch, 2 * JOBS, axis=0))  # the first requests are slower

    start = time.perf_counter()
    pending: list[Callable[[], object]] = []
    for _ in range(-(-count // BATCH)):
        pending.extend(network.start(batch) for network in networks)
        if len(pending) > 2 * JOBS:
            pending.pop(0)()
    for finish in pending:
        finish()
    return time.perf_counter() - start


def available_ways(name: str, folder: Path) -> list[str]:
    """Return the ways that run a network on this machine."""
    available = {
        "keras": True,
        "torch": name != DEFAULT and find_spec("torchvision") is not None,
        "onnx": (folder / "network.onnx").exists(),
    }
    return [way for way in WAYS if (available[way] if way in available else openvino_runtime.supports(way))]


def measure(options: argparse.Namespace, paths: Listing) -> None:
    """Print the limits, and a row for each way of each network."""
    rates = {precision: matrix_rate(precision) for precision in ("f32", "bf16") if openvino_runtime.supports(precision)}
    print(
        f"Decoding alone: {decoding_rate(paths, options.side):,.0f} chips/s. Matrix product: "
        + ", ".join(f"{rate / 1e12:.2f} TFLOP/s in {precision}" for precision, rate in rates.items())
        + "."
    )
    print(
        "\n| network | way | chips/s | processor seconds per 1,000 chips | peak memory, MiB | first output, s "
        "| times Keras: time, processor time | times ONNX Runtime: time, processor time | cores busy "
        "| inference under way | inference alone | share of the matrix rate |"
        "\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in options.networks.split(","):
        with tempfile.TemporaryDirectory() as scratch:
            measure_network(name, Path(scratch), rates, options)


def measure_network(name: str, folder: Path, rates: dict[str, float], options: argparse.Namespace) -> None:
    """Run the ways of one network, each in its own process, and print a row for each."""
    command = [sys.executable, "-m", "tests.benchmarks.throughput", *map(str, options.chips)]
    command += ["--side", str(options.side), "--child"]
    subprocess.run([*command, "write", name, str(folder)], check=True, stderr=subprocess.DEVNULL)

    costs: dict[str, dict[str, float]] = {}
    for way in available_ways(name, folder):
        start = time.monotonic()  # all processes share this clock
        process = subprocess.run([*command, way, name, str(folder)], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        if process.returncode:
            print(f"{way} cannot run {name}: {process.stderr.splitlines()[-1]}", file=sys.stderr)
            continue
        costs[way] = {"seconds": seconds, "start": start, **json.loads(process.stdout.splitlines()[-1])}

    for way in costs:
        inference = inference_seconds(name, folder, way, int(costs[way]["chips"])) if way in rates else None
        operations = 2 * MULTIPLICATIONS.get(name, 0) * (options.side / 224) ** 2
        print(way_row(name, way, costs, inference, operations / rates.get(way, np.inf)), flush=True)


def way_row(
    name: str, way: str, costs: dict[str, dict[str, float]], inference: float | None, least_seconds: float
) -> str:
    """Return the row of one way.

    Args:
        name: The network.
        way: One of `WAYS`.
        costs: What `run_way` printed, for each way.
        inference: Seconds that inference alone takes; None for the ways of others.
        least_seconds: Seconds a chip takes at the rate of the matrix product; 0 if it is not known.
    """
    cost = costs[way]
    speed = cost["chips"] / cost["seconds"]
    ratios = [
        ", ".join(f"{costs[other][unit] / cost[unit]:.1f}" for unit in ("seconds", "processor"))
        if other in costs
        else ""
        for other in ("keras", "onnx")
    ]
    cells = [
        name,
        way,
        f"{speed:.1f}",
        f"{1000 * cost['processor'] / cost['chips']:.2f}",
        f"{cost['peak']:.0f}",
        f"{cost['first'] - cost['start']:.1f}",
        *ratios,
        f"{cost['processor'] / cost['seconds'] / JOBS:.0%}",
        f"{cost['under_way'] / cost['seconds']:.0%}" if inference is not None else "",
        f"{inference / cost['seconds']:.0%}" if inference is not None else "",
        f"{least_seconds * speed:.0%}" if least_seconds else "",
    ]
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chips", type=Path, nargs="+")
    parser.add_argument("--side", type=int, default=256, help="of the networks with random weights")
    parser.add_argument("--networks", default="default,mobilenet_v2,resnet50,convnext_tiny")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    tables.add_options(parser)
    options = parser.parse_args()

    if options.child:
        way, name, folder = options.child
        if way == "write":
            write_network(name, options.side, Path(folder))
        else:
            run_way(way, name, Path(folder), options)
        return

    paths = listing.chips(options.chips)
    data = f"{len(paths):,} chips of {', '.join(path.name for path in options.chips)}; {JOBS} cores used"
    with tables.recorded(options, script="throughput", data=data):
        measure(options, paths)


if __name__ == "__main__":
    main()
