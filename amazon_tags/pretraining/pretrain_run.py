"""The call behind `amazon_tags pretrain`: chips without labels in, a backbone folder out."""

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

from amazon_tags import progress
from amazon_tags.files import atomic, folders, locks, preflight
from amazon_tags.model.backbone_folder import CARD, DECODER, WEIGHTS, BackboneManifest, seal
from amazon_tags.pretraining.pretrain_card import card_text
from amazon_tags.pretraining.pretrain_chips import PretrainChips
from amazon_tags.pretraining.pretrain_pictures import draw_progress, picture_name
from amazon_tags.pretraining.pretrain_request import PretrainPlan
from amazon_tags.training.band_statistics import normalised_spec
from amazon_tags.training.member_files import refusing_damaged_work
from features.networks import devices
from features.pretraining.batches import PretrainSource
from features.pretraining.encoder import save_backbone
from features.pretraining.masked import MaskedAutoencoder
from features.pretraining.reconstruction import decoder_bytes
from features.pretraining.settings import PretrainSettings, refuse_settings
from features.pretraining.trainer import PretrainState, Round, pretrain

STATE = "state.npz"
REPORT_SECONDS = 60  # between two lines on the progress
SAVED_SHARE = 0.05  # of the time, at most, is spent on saving the state
WEIGHT_BYTES = 4 + 4  # a float32 weight, and as much for the picture and what HDF5 adds
PICTURES = 10  # in a training, beside the first


def pretrain_backbone(chips: PretrainChips, output: Path, plan: PretrainPlan) -> BackboneManifest:
    """Train a backbone on chips without labels, and write it as a folder.

    The state is kept in `<output>.work`, so that a killed run resumes where it last saved; the folder is removed at the
    end. A plan that differs in anything starts from the beginning.

    Args:
        chips: from `open_chips`.
        output: the folder to write, which must not exist.
        plan: a checked request.

    Raises:
        ArithmeticError: the loss became NaN, or the vectors of all chips alike.
        FileExistsError: `output` exists.
        ValueError: there are fewer chips than a batch, or the start does not fit the backbone.
    """
    preflight.refuse_existing(output)
    settings = plan.settings
    refuse_settings(settings, plan.spec.side, len(chips.paths))
    plan = replace(plan, spec=normalised_spec(plan.spec, chips.paths, jobs=plan.jobs))
    source = PretrainSource(chips.paths, plan.spec, chips.groups, max(2, plan.jobs))
    work = output.with_name(f"{output.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    with locks.hold_lock(work / "lock"):
        preflight.refuse_existing(output)  # a run that has ended since may have written it
        unit = work / work_key(plan, chips)
        unit.mkdir(exist_ok=True)
        run = _Run(settings, source, unit)
        with _explaining_full_device(settings), run.showing_progress():
            model = pretrain(
                settings,
                source,
                weights=plan.weights,
                state=run.saved_state(),
                after_round=run.after_round,
                after_batch=run.after_batch,
            )
        manifest = _write_folder(output, model, chips, plan, run)
    shutil.rmtree(work)
    progress.say(f"{output}: {settings.backbone} pretrained by {settings.method} on {len(chips.paths):,} chips")
    return manifest


def work_key(plan: PretrainPlan, chips: PretrainChips) -> str:
    """Return a name for all that a training depends on, so that only the same training resumes unfinished work."""
    groups = "" if chips.groups is None else hashlib.sha256(chips.groups.tobytes()).hexdigest()
    values = [asdict(plan.settings), asdict(plan.spec), plan.start, chips.fingerprint, groups]
    values += [keras.backend.backend(), version("amazon-tags")]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:16]


class _Run:
    """What happens around the training: saved states, pictures and messages; `last` is its last round."""

    def __init__(self, settings: PretrainSettings, source: PretrainSource, unit: Path) -> None:
        self.settings, self.source, self.unit = settings, source, unit
        self.total = settings.batches(len(source.paths))
        self.last = Round(0, 0.0, 0.0)
        self.seconds = 0.0  # of this run and of those that it resumes
        self.pictured = -1  # tenths of the training
        self.begun = self.reported = self.saved = time.monotonic()
        self.saving = 0.0
        self.resumed_at = 0
        self.advance: Callable[[int], None] = lambda count: None

    @contextmanager
    def showing_progress(self) -> Iterator[None]:
        """Show a bar over the chips of all epochs."""
        with progress.bar("pretraining", self.total * self.settings.batch) as advance:
            self.advance = advance
            yield

    def saved_state(self) -> PretrainState | None:
        """Return the state that an earlier run saved, if there is one."""
        path = self.unit / STATE
        if not path.exists():
            return None
        with refusing_damaged_work(path), np.load(path, allow_pickle=False) as archive:
            state = dict(archive)
            loss, spread, self.seconds = (float(number) for number in state.pop("report"))
            done = int(state["batches"])
        self.last, self.resumed_at = Round(done, loss, spread), done
        self.advance(done * self.settings.batch)
        progress.say(f"resuming after batch {done:,} of {self.total:,}")
        return state

    def after_batch(self) -> None:
        """Move the bar."""
        self.advance(self.settings.batch)

    def after_round(self, finished: Round, model: keras.Model, state: Callable[[], PretrainState]) -> None:
        """Save, draw and report as often as it is worth."""
        self.last = finished
        is_last = finished.batches == self.total
        now = time.monotonic()
        if is_last or now - self.saved >= self.saving / SAVED_SHARE:
            self._save(finished, state())
            self.saving = time.monotonic() - now
            self.saved = time.monotonic()
        tenth = finished.batches * PICTURES // self.total
        if tenth > self.pictured:
            self.pictured = tenth
            path = self.unit / picture_name(self.settings)
            atomic.write_bytes(path, draw_progress(model, self.settings, self.source))
            if tenth == 0:
                progress.say(f"{path} shows what it has learnt so far")
        if is_last or now - self.reported >= REPORT_SECONDS:
            self.reported = now
            progress.say(self._sentence(finished, now))

    def elapsed(self) -> float:
        """Return the seconds of training, of all runs together."""
        return self.seconds + time.monotonic() - self.begun

    def _save(self, finished: Round, state: PretrainState) -> None:
        buffer = io.BytesIO()
        report = np.array([finished.loss, finished.spread, self.elapsed()])
        np.savez(buffer, report=report, **state)  # type: ignore[arg-type]
        atomic.write_bytes(self.unit / STATE, buffer.getvalue())

    def _sentence(self, finished: Round, now: float) -> str:
        chips = (finished.batches - self.resumed_at) * self.settings.batch
        pace = chips / max(now - self.begun, 1e-6)
        left = (self.total - finished.batches) * self.settings.batch / max(pace, 1e-6)
        epoch = finished.batches / self.settings.batches_an_epoch(len(self.source.paths))
        return (
            f"epoch {epoch:.1f} of {self.settings.epochs} (batch {finished.batches:,} of {self.total:,}): loss "
            f"{finished.loss:.4f}, spread {finished.spread:.2f}, {pace:.1f} chips/s, {format_time(left)} left"
        )


def format_time(seconds: float) -> str:
    """Return a length of time in seconds, minutes or hours.

    Example:
        >>> format_time(50), format_time(90), format_time(7300)
        ('50 s', '2 min', '2.0 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def _explaining_full_device(settings: PretrainSettings) -> Iterator[None]:
    """Say what to do where a batch does not fit the memory of the device."""
    try:
        yield
    except Exception as error:
        if not devices.is_out_of_memory(error):
            raise
        raise MemoryError(
            f"the memory of the device does not hold a batch of {settings.batch} chips; use a smaller --batch."
        ) from error


def _write_folder(
    output: Path, model: keras.Model, chips: PretrainChips, plan: PretrainPlan, run: _Run
) -> BackboneManifest:
    settings = plan.settings
    manifest = BackboneManifest(
        backbone=settings.backbone,
        spec=plan.spec,
        method=settings.method,
        settings=asdict(settings),
        chips=len(chips.paths),
        fingerprint=chips.fingerprint,
        start=plan.start,
        note=plan.note,
        loss=run.last.loss,
        spread=run.last.spread,
    )
    with folders.atomic_folder(output) as part:
        kept = model if isinstance(model, MaskedAutoencoder) else model.encoder
        preflight.refuse_full(part, WEIGHT_BYTES * kept.count_params())  # HDF5 crashes on a full disk
        save_backbone(model.encoder, settings, part / WEIGHTS)
        if isinstance(model, MaskedAutoencoder):
            atomic.write_bytes(part / DECODER, decoder_bytes(model))
        atomic.write_bytes(part / picture_name(settings), draw_progress(model, settings, run.source))
        atomic.write_text(part / CARD, card_text(replace(manifest, version=version("amazon-tags")), run.elapsed()))
        return seal(part, manifest)
