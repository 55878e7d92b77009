"""Reconstruction errors of `amazon_tags embed`: how badly hidden patches of each chip follow from its visible ones.

They are columns beside the vectors, by the decoder that `pretrain --method fcmae` trained with a backbone.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from amazon_tags import progress
from amazon_tags.model.backbone_folder import ADVICE, DECODER, BackboneError, PretrainedBackbone
from amazon_tags.model.damage import refusing_damage
from amazon_tags.tables.vector_tables import FurtherColumns, VectorTable, read_numbers
from amazon_tags.training.anomaly import NAMED, UNUSUAL, different_chips, expected
from amazon_tags.training.network_files import member_network
from ensemble.arrays import Floats, Vectors
from features.images.spec import ChipSpec
from features.networks import openvino_runtime
from features.networks.openvino_runtime import OpenvinoNetwork
from features.pretraining.settings import wrong_side

METADATA_KEY = "amazon_tags_reconstruction"
FORMAT = 1  # of the errors: another one would say that they are computed otherwise
ERROR, PERCENTILE = "reconstruction_error", "reconstruction_percentile"


@dataclass(frozen=True)
class ErrorPlan:
    """What errors are computed by, all of it checked.

    Attributes:
        pretrained: the folder of the backbone.
        decoder: the file of its decoder.
        spec: the chips.
        known: (known chips,) their errors, ascending; None if they are not known.
    """

    pretrained: PretrainedBackbone
    decoder: Path
    spec: ChipSpec
    known: Floats | None

    def metadata(self) -> dict[str, str]:
        """Return what a file of vectors says of its errors."""
        return {METADATA_KEY: json.dumps(_about(self.pretrained))}

    def load(self, *, jobs: int) -> "ReconstructionErrors":
        """Return the errors, of no chip yet; see `build`."""
        return ReconstructionErrors(openvino_runtime.load(*self.build(), jobs=jobs), self.known)

    def build(self) -> tuple[bytes, bytes]:
        """Return the XML and the weights of the network from chips to errors, by Keras.

        Raises:
            BackboneError: the decoder is damaged.
        """
        import keras  # noqa: PLC0415  importing it takes seconds, which only this function should pay

        from features.networks import openvino_export  # noqa: PLC0415
        from features.pretraining.reconstruction import error_network  # noqa: PLC0415

        keras.utils.clear_session()
        backbone, weights = self.pretrained.manifest.backbone, self.pretrained.weights
        with refusing_damage(BackboneError, f"{self.decoder} is damaged", ADVICE):
            model = error_network(backbone, self.spec, weights, self.decoder)
        with tempfile.TemporaryDirectory() as folder:
            openvino_export.export(model, Path(folder))
            return member_network(Path(folder))


@dataclass
class ReconstructionErrors:
    """Errors of chips, which grow while the chips' vectors are computed.

    Attributes:
        network: from chips to errors.
        known: as in `ErrorPlan`.
        error: of each chip.
        percentile: of each chip, the share of the known ones with a lower error; empty if these are not known.
        written: how many chips have been written.
    """

    network: OpenvinoNetwork
    known: Floats | None
    error: list[float] = field(default_factory=list)
    percentile: list[float] = field(default_factory=list)
    written: int = 0

    def add(self, errors: Vectors) -> None:
        """Add the errors of the next chips."""
        self.error += errors.tolist()
        if self.known is not None:
            self.percentile += (np.searchsorted(self.known, errors, side="left") / len(self.known)).tolist()

    def columns(self) -> FurtherColumns:
        """Return the columns to write."""
        return FurtherColumns((ERROR,) if self.known is None else (ERROR, PERCENTILE), self._next)

    def order(self) -> list[int]:
        """Return the places of the chips, the highest error first."""
        order: list[int] = np.argsort(-np.array(self.error), kind="stable").tolist()
        return order

    def describe(self, names: Sequence[str]) -> str:
        """Return a sentence on the errors of chips, whose names stand in the order of the vectors."""
        text = f"reconstruction errors of {min(self.error):.3f} to {max(self.error):.3f}"
        if self.known is not None:
            count = sum(percentile >= UNUSUAL for percentile in self.percentile)
            text += (
                f", {count} of {len(self.error)} higher than those of {100 * UNUSUAL:.0f} % of the known chips "
                f"({expected(len(self.error))} would be expected)"
            )
        named = ", ".join(f"{names[place]} ({self.error[place]:.3f})" for place in self.order()[:NAMED])
        return f"{text}; the highest: {named}"

    def _next(self, hashes: Sequence[str], _: Vectors) -> Floats:
        rows = slice(self.written, self.written + len(hashes))
        self.written = rows.stop
        columns = [self.error[rows]] if self.known is None else [self.error[rows], self.percentile[rows]]
        return np.array(columns).T


def plan_errors(
    pretrained: PretrainedBackbone | None, spec: ChipSpec, known: VectorTable | None, *, needed: bool
) -> ErrorPlan | None:
    """Check what errors are computed by; None where there is no decoder, and errors are not needed.

    Args:
        pretrained: the folder of the backbone; None for another backbone.
        spec: the chips.
        known: the known chips, with whose errors those of the new ones are compared.
        needed: whether it is an error that there is no decoder, or that it does not take the side.

    Raises:
        BackboneError: the decoder is missing or damaged.
        ValueError: errors are needed but cannot be computed, or those of the known chips are damaged.
    """
    if pretrained is None or not pretrained.has_decoder:
        if needed:
            raise ValueError(
                f"reconstruction errors need a decoder, but {_lack(pretrained)}; name a folder that this version's "
                "pretrain --method fcmae wrote."
            )
        return None
    if problem := wrong_side(spec.side):
        if needed:
            raise ValueError(f"reconstruction errors are of {problem}.")
        progress.say(f"no reconstruction errors are written: they are of {problem}")
        return None
    decoder = pretrained.checked_decoder()
    return ErrorPlan(pretrained, decoder, spec, _known_errors(known, pretrained) if known else None)


def _about(pretrained: PretrainedBackbone) -> dict[str, str | int]:
    return {"format": FORMAT, "decoder": pretrained.manifest.files[DECODER].sha256}


def _lack(pretrained: PretrainedBackbone | None) -> str:
    """Return why there is no decoder."""
    if pretrained is None:
        return "the backbone is no folder that pretrain wrote"
    if pretrained.manifest.method == "fcmae":
        return f"{pretrained.folder} was written by a version that did not keep it"
    return f"{pretrained.folder} was pretrained by {pretrained.manifest.method}, which has none"


def _known_errors(known: VectorTable, pretrained: PretrainedBackbone) -> Floats | None:
    """Return the errors of different known chips, ascending; None where the file has none by this decoder."""
    numbers = read_numbers(known.path, ERROR)
    if numbers is None or known.metadata.get(METADATA_KEY) != json.dumps(_about(pretrained)):
        progress.say(
            f"{known.path} has no reconstruction errors by this decoder, so that no {PERCENTILE} is written; embed "
            "the known chips with --reconstruction"
        )
        return None
    return np.sort(numbers[different_chips(known)])
