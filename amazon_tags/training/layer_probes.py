"""Linear probes at several layers of a frozen backbone, and what the backbone costs up to each of them.

One network computes the vectors of all layers in one pass.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.evaluation.layer_report import LayerCost
from amazon_tags.model import decision_file
from amazon_tags.model.recipe import Recipe
from amazon_tags.training.examples import Examples
from amazon_tags.training.feature_bank import bank_file, embed_chips
from amazon_tags.training.layer_request import Screen
from amazon_tags.training.member_files import ViewOutputs, cached_array
from amazon_tags.training.network_files import member_network, milliseconds_a_chip
from amazon_tags.training.train import work_key
from amazon_tags.training.training_data import TrainingData
from ensemble.arrays import Rows, Scores, Tags, Vectors
from ensemble.decisions.decision import decide_tags, flat_decision
from ensemble.heads.table import HEADS
from ensemble.metrics import folds, score
from ensemble.networks.settings import FrozenMember, TunedMember
from ensemble.representation.alignment import STEPS, explained_shares, measure_alignment
from features.networks import backbones, openvino_export, openvino_runtime, truncation
from features.networks.network_costs import NetworkFiles, multiply_adds, split_ends

HEAD = "ridge"  # the linear head of the recipe `frozen`, whose strengths are chosen in closed form


@dataclass(frozen=True)
class LayerSearch:
    """All that the stages of a search share.

    Attributes:
        data: labelled chips.
        recipe: one tuned member.
        examples: the chips in their folds, with the folder of vectors.
        work: the folder of finished parts.
        weights: what the backbone starts from: `imagenet`, `none` or a weight file.
        origin: the same, a file by its SHA-256.
        screen: by what the layers to fine-tune are chosen.
    """

    data: TrainingData
    recipe: Recipe
    examples: Examples
    work: Path
    weights: str
    origin: str
    screen: Screen

    @property
    def member(self) -> TunedMember:
        """The recipe's member."""
        (member,) = self.recipe.members
        if not isinstance(member, TunedMember):
            raise TypeError(f"{member.name} is a frozen member, but a search fine-tunes.")
        return member


@dataclass(frozen=True)
class ProbedLayer:
    """A linear probe at a layer.

    Attributes:
        layer: its name.
        scores: (chips, labels), out of fold.
        cost: of the network up to the layer.
        merit: by which it is chosen for fine-tuning.
    """

    layer: str
    scores: Scores
    cost: LayerCost
    merit: float


def probe_layers(search: LayerSearch, ends: Sequence[str]) -> list[ProbedLayer]:
    """Fit linear probes at layers of the backbone, in their order, and measure its parts."""
    architecture = backbones.architecture(search.member.backbone, search.examples.spec)
    widths = [truncation.vector_width(architecture, end) for end in ends]
    files = _export(search, ends)
    vectors = _embed(search, files)
    stops = np.cumsum(widths)

    probed = []
    with progress.bar("probes", len(ends)) as advance:
        for end, width, stop, part in zip(ends, widths, stops, split_ends(files, widths), strict=True):
            own = vectors[:, stop - width : stop]
            scores = _probe(search, end, own)
            parameters = truncation.count_parameters(architecture, end)
            cost = LayerCost(width, parameters, multiply_adds(part), milliseconds_a_chip(part))
            probed.append(ProbedLayer(end, scores, cost, _merit(search, scores, own)))
            advance(1)
    return probed


def _export(search: LayerSearch, ends: Sequence[str]) -> NetworkFiles:
    """Return the frozen network whose vectors are those of all ends, one after another."""
    keras.utils.clear_session()  # or layers would be named by what was built before
    keras.utils.set_random_seed(search.recipe.seed)  # for random weights
    model = backbones.build(search.member.backbone, search.examples.spec, layer=ends, weights=search.weights)
    with tempfile.TemporaryDirectory() as folder:
        openvino_export.export(model, Path(folder))
        return member_network(Path(folder))


def _embed(search: LayerSearch, files: NetworkFiles) -> Vectors:
    examples = search.examples
    network = openvino_runtime.load(*files, jobs=examples.jobs)
    bank = bank_file(examples.bank, files, examples.spec) if examples.bank else None
    hashes = dict(zip(examples.paths, examples.hashes, strict=True))
    return embed_chips(hashes, network, examples.spec, bank=bank, jobs=examples.jobs)


def _probe(search: LayerSearch, end: str, vectors: Vectors) -> Scores:
    """Return the scores of heads that were fitted on the other folds, from the work folder where it has them."""
    examples = search.examples
    settings = FrozenMember(end, search.member.backbone, HEAD, layer=end)
    folds_hash = hashlib.sha256(examples.fold.tobytes()).hexdigest()
    folder = search.work / work_key(search.recipe, search.data, settings, search.origin, ["probe", folds_hash])
    folder.mkdir(exist_ok=True)

    def fit(train: Rows, held_out: Rows) -> Scores:
        head = HEADS[HEAD](vectors[train], examples.truth[train], examples.seed)
        return head.scores(vectors[held_out])

    def make() -> ViewOutputs:
        scores = folds.out_of_fold_scores(fit, examples.fold, examples.truth.shape[1])
        return scores[np.newaxis]

    scores: Scores = cached_array(folder / "scores.npy", make)[0]
    return scores


def _merit(search: LayerSearch, scores: Scores, vectors: Vectors) -> float:
    truth = search.data.truth
    if search.screen == "alignment":
        return float(np.nanmean(explained_shares(measure_alignment(vectors, truth), truth, STEPS)))
    return score.f2(truth, flat_tags(search, scores))


def flat_tags(search: LayerSearch, scores: Scores) -> Tags:
    """Return the tags of scores by one flat threshold."""
    return decide_tags(flat_decision(scores.shape[1], rules=decision_file.rules(search.data.space)), scores)
