"""Write a pruned point as an ordinary bundle, with the precisions measured on its folds as `train` measures them.

The stored Keras weights have the whole architecture, with zeros where channels were removed, so that a GPU and further
training load them; the OpenVINO networks are without these channels.
"""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.compression.measured import MeasuredPoint
from amazon_tags.compression.units import (
    CompressionRun,
    Unit,
    UnitResult,
    out_of_fold,
    untrained_network,
    write_dense_network,
)
from amazon_tags.files import folders, preflight
from amazon_tags.model.manifest import Compression, Manifest
from amazon_tags.model.recipe import recipe_to_json
from amazon_tags.training.examples import Examples
from amazon_tags.training.member_files import WEIGHT_BYTES
from amazon_tags.training.members import ALL_CHIPS, FittedMember, unit_folder
from amazon_tags.training.start_bundle import WEIGHTS
from amazon_tags.training.train import finish_bundle


def ship_point(chosen: MeasuredPoint, run: CompressionRun) -> Manifest:
    """Prune and fine-tune the bundle's networks on all chips at a point, and write them to `request.ship`."""
    model, request, examples = run.model, run.request, run.examples
    if request.ship is None:
        raise ValueError("there is no bundle to write.")
    progress.say(f"{request.ship}: shipping {chosen.point.title}")
    members = []
    for name, of_folds in run.units(chosen.point, 0).items():
        last = replace(of_folds[0], start=model.files[name], fold=ALL_CHIPS)
        results = [run.result(unit) for unit in (*of_folds, last)]
        member = FittedMember(
            of_folds[0].settings,
            run.work / f"ship-{of_folds[0].file}" / name,
            out_of_fold(results[:-1], examples, fine_tuned=True)[np.newaxis],
        )
        for unit, result in zip((*of_folds, last), results, strict=True):
            _write_unit(unit, result, examples, unit_folder(member, unit.fold))
        members.append(member)

    compression = Compression(
        model.manifest.sha256, chosen.point.title, chosen.compression, request.epochs, model.begin
    )
    manifest = Manifest(
        space=run.data.space,
        spec=examples.spec,
        ground=model.recipe.ground or None,
        recipe=recipe_to_json(model.recipe),
        started_from=model.manifest.started_from,
        start=model.manifest.start,
        compression=compression,
        teachers=model.manifest.teachers,
        licences=model.manifest.licences,
    )
    return finish_bundle(run.data, request.ship, model.recipe, examples, members, manifest)


def _write_unit(unit: Unit, result: UnitResult, examples: Examples, folder: Path) -> None:
    if folder.exists():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    keras.utils.clear_session()
    network = untrained_network(unit.tuned(), examples)
    network.set_weights(result.weights)
    with folders.atomic_folder(folder) as part:
        preflight.refuse_full(part, WEIGHT_BYTES * network.count_params())
        write_dense_network(network, part)
        network.save_weights(part / WEIGHTS)
