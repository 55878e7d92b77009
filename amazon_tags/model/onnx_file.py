"""Export a bundle as one ONNX file, which ONNX Runtime runs without this package; needs the `onnx` extra.

The graph scores one view of each chip, in 32-bit floats. Its metadata, all text, are:

labels         names, separated by commas: the columns of the output `scores` (N, labels)
bands, dtype, side, levels  of the input `chips` (N, side, side, bands), as in the manifest's chip spec
decision       the bundle's decision, as JSON
thresholds     the least score at which a label is a tag, separated by commas; absent if tags depend on each other
bundle_sha256  the digest of the bundle's manifest
views          1
note           the origin of the training chips and their terms of use
"""

import json
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, preflight
from amazon_tags.model import decision_file, engine
from amazon_tags.model.bundle import BundleError, load_second, parse_decision, parse_golden, read_checked, read_manifest
from amazon_tags.model.damage import refusing_damage
from amazon_tags.model.manifest import Manifest
from ensemble.decisions.decision import Decision, score_thresholds
from ensemble.heads.fitted import HEAD_FILES, LinearHead
from ensemble.second_level.blend import Blend
from features.networks import onnx_export
from features.networks.onnx_export import NetworkFile
from features.networks.onnx_operations import NotConvertibleError

TOLERANCE = 1e-4  # of golden scores: rounding moves them by some 1e-6, a wrong operation by far more
ADVICE = "export a bundle of fine-tuned networks and linear heads whose second level is mean, diverse, greedy or routed"


class OnnxError(ValueError):
    """A bundle that cannot be exported; the message names the part."""


def export_onnx(folder: Path, output: Path) -> float:
    """Write a bundle as an ONNX file, once ONNX Runtime has scored the golden chips by it.

    Args:
        folder: the bundle.
        output: the file to write, outside of the bundle.

    Returns:
        The largest difference between a golden chip's score in ONNX Runtime and in the bundle.

    Raises:
        BundleError: a file of the bundle is missing or changed.
        OnnxError: a part of the bundle cannot be exported, or the scores differ by more than `TOLERANCE`.
        OSError: the output cannot be written.
    """
    manifest = read_manifest(folder)
    if manifest.vectors:
        raise OnnxError(f"{folder}: it takes vectors and has no network, so there is no graph of chips; {ADVICE}.")
    if manifest.spec.dates > 1:
        raise OnnxError(f"{folder}: it takes pairs of chips, which the file's metadata cannot describe; {ADVICE}.")
    _refuse_output(folder, output)
    networks, blend = _read_parts(folder, manifest)
    read = partial(read_checked, folder, manifest)
    with refusing_damage(BundleError, f"{folder}: its contents do not fit together", "get another copy"):
        decision, _common = parse_decision(read("decision.json"), manifest.space)
        pixels, expected = parse_golden(read("golden.npz"), "f32")

    try:
        content = onnx_export.build(networks, blend.weights, _metadata(manifest, decision))
    except NotConvertibleError as error:
        raise OnnxError(f"{folder}: {error} has no conversion to ONNX; use amazon_tags predict.") from error
    distance = float(np.abs(onnx_export.run(content, pixels) - expected).max())
    if not distance <= TOLERANCE:
        raise OnnxError(
            f"{folder}: ONNX Runtime scores the golden chips {distance:.2g} away from the bundle (allowed "
            f"{TOLERANCE}), so nothing was written; try another version of onnxruntime, or use amazon_tags predict."
        )
    atomic.write_bytes(output, content)
    progress.say(
        f"{output}: {len(manifest.space.names)} labels, {len(networks)} networks, one view a chip; golden chips within "
        f"{distance:.0e} in ONNX Runtime"
    )
    return distance


def _refuse_output(folder: Path, output: Path) -> None:
    if output.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{output} lies inside the bundle, which must not change; name a file outside of {folder}.")
    preflight.refuse_outputs([output])


def _read_parts(folder: Path, manifest: Manifest) -> tuple[list[NetworkFile], Blend]:
    """Return the networks with their last layers, and the blend; raise OnnxError for a part of another kind."""
    trees = [name for name in manifest.members if f"members/{name}/{HEAD_FILES[1]}" in manifest.files]
    if trees:
        raise OnnxError(f"{folder}: the head of {trees[0]} is made of trees, which are not exported; {ADVICE}.")
    size = sum(entry.size for name, entry in manifest.files.items() if name.endswith("/network.bin"))
    if size >= onnx_export.MAX_BYTES:
        raise OnnxError(f"{folder}: its networks have {size:,} bytes, but an ONNX file holds at most 2 GiB.")

    read = partial(read_checked, folder, manifest)
    networks = []
    with refusing_damage(BundleError, f"{folder}: its contents do not fit together", "get another copy"):
        second = load_second(folder, manifest)
        heads = [engine.read_head(read, manifest.files, name) for name in manifest.members]
    if not isinstance(second, Blend) or second.kind != "mean":
        raise OnnxError(f"{folder}: its second level is {manifest.second.chosen}, which is not exported; {ADVICE}.")
    for name, head in zip(manifest.members, heads, strict=True):
        if not (head is None or isinstance(head, LinearHead)):
            raise OnnxError(f"{folder}: the head of {name} is neighbours, which is not exported; {ADVICE}.")
        xml, weights = (read(f"members/{name}/{part}") for part in engine.NETWORK["f32"])
        networks.append(NetworkFile(xml, weights, head.layer() if head else None))
    return networks, second


def _metadata(manifest: Manifest, decision: Decision) -> dict[str, str]:
    spec, thresholds = manifest.spec, score_thresholds(decision)
    metadata = {
        "labels": ",".join(manifest.space.names),
        "bands": ",".join(spec.bands),
        "dtype": spec.dtype,
        "side": str(spec.side),
        "levels": spec.layout.levels,
        "decision": json.dumps(decision_file.to_json(manifest.space, decision)),
        "bundle_sha256": manifest.sha256,
        "amazon_tags": version("amazon-tags"),
        "views": "1",
        "note": manifest.data.note if manifest.data else "",
    }
    if thresholds is not None:
        metadata["thresholds"] = ",".join(str(float(threshold)) for threshold in thresholds)
    return metadata
