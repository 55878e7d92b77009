"""A registry: a folder of models that never change, and which of them is the current one.

<sha12>/        a bundle, named by the first 12 digits of its manifest's own hash
pointers.json   the current model, the one before, and the log of promotions: one file, so one rename moves all of it
lock            held by whoever moves a pointer, copies a model in or removes one
"""

import fcntl
import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from amazon_tags.files import atomic, folders, locks
from amazon_tags.model import bundle
from amazon_tags.model.bundle import BundleError, Verified

POINTERS = "pointers.json"
NAME = re.compile(r"[0-9a-f]{12}")
ANY = "any"
TRIES = 20  # of a reader whose model was removed between finding its name and holding it


class RegistryError(ValueError):
    """A registry that cannot be read, or a model that is not in it."""


@dataclass(frozen=True)
class Pointers:
    """Names of models, and what moved them: entries of when, what, from, to and why."""

    current: str | None = None
    previous: str | None = None
    log: tuple[dict[str, Any], ...] = ()


def is_registry(folder: Path) -> bool:
    """Whether the folder is one, and not a bundle."""
    return (folder / POINTERS).exists()


def pointers(registry: Path) -> Pointers:
    """Where the pointers stand.

    Raises:
        RegistryError: the file is damaged.
    """
    path = registry / POINTERS
    try:
        values = json.loads(path.read_bytes())
        current, previous, log = values["current"], values["previous"], tuple(values["log"])
        for move in log:
            told = [move[key] for key in ("when", "what", "to", "why")] + [move["from"] or ""]
            if not all(isinstance(word, str) for word in told):
                raise TypeError(f"a move is told by {told}")
    except FileNotFoundError:
        return Pointers()
    except (IsADirectoryError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise RegistryError(f"{path} is damaged ({error!r}); {_advice(registry)}") from error
    for name in (current, previous):
        if name is not None and not NAME.fullmatch(str(name)):
            raise RegistryError(f"{path} points to {name!r}, which is no name of a model; {_advice(registry)}")
    return Pointers(current, previous, log)


def model_names(registry: Path) -> list[str]:
    """The models that there are, the oldest first."""
    found = [path for path in registry.iterdir() if NAME.fullmatch(path.name) and (path / "manifest.json").is_file()]
    return [path.name for path in sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))]


@contextmanager
def hold_model(folder: Path) -> Iterator[Path]:
    """The bundle of a folder that is one, or the current one of a registry, which stays as long as the block lasts.

    The pointer is read once: a promotion in the meantime changes nothing for this run.

    Raises:
        RegistryError: the registry has no current model, or another one under its name.
    """
    if not is_registry(folder):
        yield folder
        return
    current = None
    for _ in range(TRIES):
        current = pointers(folder).current
        if current is None:
            break
        try:
            descriptor = os.open(folder / current / "manifest.json", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed since the pointer was read, unless it still says so
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if (folder / current / "manifest.json").exists():
                if model_name(folder / current) != current:
                    raise RegistryError(f"{folder / current} holds another model; {_advice(folder)}")
                yield folder / current
                return
        finally:
            os.close(descriptor)
    raise RegistryError(f"{folder}: the current model, {current or 'none yet'}, is not there; {_advice(folder)}")


def find(registry: Path, name: str) -> Path:
    """The folder of a model.

    Raises:
        RegistryError: there is none of this name.
    """
    if name not in model_names(registry):
        raise RegistryError(f"{registry} has no model {name}; it has {', '.join(model_names(registry)) or 'none'}.")
    return registry / name


def list_models(registry: Path) -> dict[str, Any]:
    """The pointers with their log, and of each model its F2 out of fold, how many chips are behind it, and its damage.

    Only manifests are looked at; `amazon_tags bundle verify` reads everything.
    """
    _refuse_other(registry)
    stand = pointers(registry)
    models = [
        {"name": name, "current": name == stand.current, "previous": name == stand.previous, **_told(registry / name)}
        for name in model_names(registry)
    ]
    return {"models": models, "log": list(stand.log)}


def _told(folder: Path) -> dict[str, Any]:
    try:
        manifest = bundle.read_manifest(folder)
    except BundleError as error:
        return {"f2": None, "chips": None, "damage": str(error)}
    damage = None if model_name(folder) == folder.name else f"holds another model, {model_name(folder)}"
    return {
        "f2": manifest.get("scores", {}).get("f2"),
        "chips": manifest.get("data", {}).get("chips"),
        "damage": damage,
    }


def registry_text(listed: dict[str, Any]) -> str:
    """What `listed` gives, as lines of plain text."""
    lines = [f"{'model':12}  F2 out of fold   chips"]
    for model in listed["models"]:
        f2 = "-" if model["f2"] is None else f"{model['f2']:.4f}"
        pointer = "  current" if model["current"] else "  previous" if model["previous"] else ""
        damage = f"  {model['damage']}" if model["damage"] else ""
        lines.append(f"{model['name']}  {f2:>14}  {model['chips'] or '-':>6}{pointer}{damage}")
    moves = [f"{e['when']}  {e['what']:8}  {e['from'] or '-':12} -> {e['to']}  {e['why']}" for e in listed["log"]]
    return "\n".join([*lines, *([""] if moves else []), *moves]) + "\n"


def make_registry(registry: Path) -> None:
    """Make the folder of a registry, unless it is there.

    Raises:
        RegistryError: something else is: a file, or a folder that holds other things.
    """
    if registry.exists() and not registry.is_dir():
        raise RegistryError(f"{registry} is a file; name another place for the registry, a folder.")
    registry.mkdir(parents=True, exist_ok=True)
    other = [path.name for path in registry.iterdir() if path.name != "lock" and not path.match(folders.UNFINISHED)]
    if other and not is_registry(registry) and not model_names(registry):
        raise RegistryError(f"{registry} holds {len(other)} other things (first: {min(other)}); name another place.")


def add(registry: Path, source: Path, *, verified: bool = False) -> str:
    """Copy a bundle into the registry and verify the copy; return its name there.

    A sound copy that the registry already has stays; a damaged one is replaced.

    Args:
        registry: its folder, which is created if need be.
        source: the bundle.
        verified: whether the caller has just verified `source`; then only the hashes of the copy are checked.

    Raises:
        BlockingIOError: another process is changing the registry.
        BundleError: the bundle is damaged.
    """
    check = bundle.check_files if verified else bundle.verify
    name = model_name(source)
    make_registry(registry)
    with locks.hold_lock(registry / "lock"):
        folders.sweep(registry)
        copy = registry / name
        if copy.exists() and not _is_sound(copy):
            check(source)
            folders.remove_folder(copy)
        if not copy.exists():
            with folders.atomic_folder(copy) as part:
                folders.copy_folder(source, part)
                check(part)
    return name


def model_name(folder: Path) -> str:
    """What a registry calls a bundle."""
    return str(bundle.read_manifest(folder)["sha256"])[:12]


def promote(registry: Path, name: str, *, why: str, over: str | None = ANY, verified: bool = False) -> Pointers:
    """Make a model of the registry the current one, and the current one the previous one.

    Promoting the current one changes nothing. Damaged pointers are put aside, and begin anew.

    Args:
        registry: its folder.
        name: of a model that it has.
        why: what the log shall say.
        over: the model that it was compared with, which must still be the current one.
        verified: whether the caller has just verified this model; then only the hashes of its files are checked.

    Raises:
        BlockingIOError: somebody else moves pointers at the moment.
        BundleError: the model is damaged.
        RegistryError: there is no such model, or another one is current than it was compared with.
    """
    with locks.hold_lock(registry / "lock"):
        (bundle.check_files if verified else verify)(find(registry, name))
        before = _mended(registry) if over == ANY else pointers(registry)
        if over not in (ANY, before.current):
            raise RegistryError(
                f"{before.current} has become the current model since {name} was compared; start again."
            )
        return before if name == before.current else _move(registry, before, "promote", name, before.current, why)


def rollback(registry: Path, *, why: str) -> Pointers:
    """Exchange the current and the previous model; raises like `promote`."""
    _refuse_other(registry)
    with locks.hold_lock(registry / "lock"):
        before = pointers(registry)
        if before.previous is None or before.previous not in model_names(registry):
            raise RegistryError(f"{registry} has no previous model to go back to; promote one by its name.")
        verify(registry / before.previous)
        return _move(registry, before, "rollback", before.previous, before.current, why)


def clean(registry: Path, keep: int) -> list[str]:
    """Remove the oldest models but for `keep`, and but for what a pointer or a running reader holds.

    Raises:
        OSError: somebody else holds the lock, or a model cannot be removed.
    """
    with locks.hold_lock(registry / "lock"):
        kept = pointers(registry)
        spare = [name for name in model_names(registry)[:-keep] if name not in (kept.current, kept.previous)]
        return [name for name in spare if _remove(registry / name)]


def _refuse_other(folder: Path) -> None:
    if not is_registry(folder) and not model_names(folder):
        raise RegistryError(f"{folder} is no registry: it holds no models; amazon_tags models promote begins one.")


def _advice(registry: Path) -> str:
    return f"promote a model: amazon_tags models promote {registry} NAME|BUNDLE"


def verify(folder: Path, *, jobs: int = 1) -> Verified:
    """Verify a model of a registry, and that its folder has its name.

    Raises:
        BundleError: the model is damaged, or is another one than its folder's name says.
    """
    verified = bundle.verify(folder, jobs=jobs)
    if model_name(folder) != folder.name:
        raise BundleError(f"{folder} holds another model, {model_name(folder)}; promote a sound copy of its own.")
    return verified


def _is_sound(folder: Path) -> bool:
    try:
        verify(folder)
    except BundleError:
        return False
    return True


def _mended(registry: Path) -> Pointers:
    try:
        return pointers(registry)
    except RegistryError:
        aside = (registry / f"damaged-{number}-{POINTERS}" for number in itertools.count(1))
        (registry / POINTERS).rename(next(path for path in aside if not path.exists()))
        return Pointers()


def _remove(folder: Path) -> bool:
    descriptor = os.open(folder / "manifest.json", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folders.remove_folder(folder)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _move(registry: Path, before: Pointers, what: str, current: str, previous: str | None, why: str) -> Pointers:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"when": now, "what": what, "from": before.current, "to": current, "why": why}
    after = Pointers(current, previous, (*before.log, entry))
    atomic.write_json(registry / POINTERS, asdict(after))
    return after
