"""A registry: a folder of models that never change, with pointers to the current and the previous one.

<sha12>/        a bundle, named by the first 12 digits of its manifest's digest
pointers.json   the current model, the previous one, and the log of moves: one file, so that one rename changes all
lock            held while a process moves a pointer, copies a model in or removes one
"""

import fcntl
import itertools
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from amazon_tags import records
from amazon_tags.files import atomic, folders, locks
from amazon_tags.model import bundle
from amazon_tags.model.bundle import BundleError, Verified
from amazon_tags.model.damage import refusing_damage
from amazon_tags.records import Json, json_keys

POINTERS = "pointers.json"
NAME = re.compile(r"[0-9a-f]{12}")
ANY = "any"
MAX_TRIES = 20  # of a reader whose model was removed after its name was read and before it was locked


class RegistryError(ValueError):
    """A registry that cannot be read, or a model that is not in it."""


@json_keys(action="what", before="from", after="to")
@dataclass(frozen=True)
class Move:
    """One entry of a registry's log: when which model replaced which, by `promote` or `rollback`, and why."""

    when: str
    action: str
    before: str | None
    after: str
    why: str


@dataclass(frozen=True)
class Pointers:
    """The names of the current and the previous model, and the log of moves, the oldest first."""

    current: str | None
    previous: str | None
    log: tuple[Move, ...]

    def to_json(self) -> Json:
        """Return the values of `pointers.json`."""
        return records.to_json(self)


NO_POINTERS = Pointers(None, None, ())


def is_registry(folder: Path) -> bool:
    """Return whether the folder is a registry and not a bundle."""
    return (folder / POINTERS).exists()


def pointers(registry: Path) -> Pointers:
    """Read the pointers; without their file there are none yet.

    Raises:
        RegistryError: the file is damaged.
    """
    path = registry / POINTERS
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return NO_POINTERS
    except IsADirectoryError as error:
        raise RegistryError(f"{path} is damaged (it is a folder); {_advice(registry)}.") from error
    with refusing_damage(RegistryError, f"{path} is damaged", _advice(registry)):
        result = records.from_json(Pointers, json.loads(content))
    for name in (result.current, result.previous):
        if name is not None and not NAME.fullmatch(name):
            raise RegistryError(f"{path} points to {name!r}, which is not a model's name; {_advice(registry)}.")
    return result


def model_names(registry: Path) -> list[str]:
    """Return the names of the models, the oldest first."""
    paths = [path for path in registry.iterdir() if NAME.fullmatch(path.name) and (path / "manifest.json").is_file()]
    return [path.name for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))]


@contextmanager
def hold_model(folder: Path) -> Iterator[Path]:
    """Yield a bundle's folder, or that of a registry's current model, which is not removed while the block runs.

    The pointer is read once: a promotion in the meantime changes nothing for this run.

    Raises:
        RegistryError: the registry has no current model, or another one under its name.
    """
    if not is_registry(folder):
        yield folder
        return
    current = None
    for _ in range(MAX_TRIES):
        current = pointers(folder).current
        if current is None:
            break
        try:
            descriptor = os.open(folder / current / "manifest.json", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed since the pointer was read; try again with the new pointer
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if (folder / current / "manifest.json").exists():
                if model_name(folder / current) != current:
                    raise RegistryError(f"{folder / current} holds another model; {_advice(folder)}.")
                yield folder / current
                return
        finally:
            os.close(descriptor)
    raise RegistryError(f"{folder}: the current model, {current or 'none yet'}, is not there; {_advice(folder)}.")


def find(registry: Path, name: str) -> Path:
    """Return the folder of a model.

    Raises:
        RegistryError: the registry has no model of this name.
    """
    names = model_names(registry)
    if name not in names:
        raise RegistryError(f"{registry} has no model {name}; it has {', '.join(names) or 'none'}.")
    return registry / name


def make_registry(registry: Path) -> None:
    """Create the folder of a registry, if it does not exist.

    Raises:
        RegistryError: the path is a file, or a folder that holds other things.
    """
    if registry.exists() and not registry.is_dir():
        raise RegistryError(f"{registry} is a file; name a folder for the registry.")
    registry.mkdir(parents=True, exist_ok=True)
    paths = [path for path in registry.iterdir() if not path.match(folders.UNFINISHED) and not folders.is_litter(path)]
    other = [path.name for path in paths if path.name != "lock"]
    if other and not is_registry(registry) and not model_names(registry):
        raise RegistryError(f"{registry} holds {len(other)} other files (first: {min(other)}); name another folder.")


def refuse_other(folder: Path) -> None:
    """Raise RegistryError unless the folder is a registry."""
    if not is_registry(folder) and not model_names(folder):
        raise RegistryError(f"{folder} is no registry: it holds no models; amazon_tags models promote creates one.")


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
    """Return the name that a registry gives to a bundle."""
    return bundle.read_manifest(folder).name


def promote(registry: Path, name: str, *, why: str, over: str | None = ANY, verified: bool = False) -> Pointers:
    """Make a model of the registry the current one, and the current one the previous one.

    Promoting the current model changes nothing. A damaged file of pointers is renamed, and a new one is written.

    Args:
        registry: its folder.
        name: the model's name.
        why: the reason, for the log.
        over: the model that it was compared with, which must still be the current one; by default, any.
        verified: whether the caller has just verified this model; then only the hashes of its files are checked.

    Raises:
        BlockingIOError: another process is changing the registry.
        BundleError: the model is damaged.
        RegistryError: there is no such model, or the current model is no longer the one that it was compared with.
    """
    with locks.hold_lock(registry / "lock"):
        (bundle.check_files if verified else verify)(find(registry, name))
        before = _repaired_pointers(registry) if over == ANY else pointers(registry)
        if over not in (ANY, before.current):
            raise RegistryError(
                f"{before.current} has become the current model since {name} was compared; start again."
            )
        return before if name == before.current else _move(registry, before, "promote", name, before.current, why)


def rollback(registry: Path, *, why: str) -> Pointers:
    """Exchange the current and the previous model; raise the same errors as `promote`."""
    refuse_other(registry)
    with locks.hold_lock(registry / "lock"):
        before = pointers(registry)
        if before.previous is None or before.previous not in model_names(registry):
            raise RegistryError(f"{registry} has no previous model to go back to; promote one by its name.")
        verify(registry / before.previous)
        return _move(registry, before, "rollback", before.previous, before.current, why)


def clean(registry: Path, keep: int) -> list[str]:
    """Remove all but the `keep` newest models; return the names of those that were removed.

    The current and the previous model stay, and so do models that a process is reading.

    Raises:
        OSError: another process holds the lock, or a model cannot be removed.
    """
    with locks.hold_lock(registry / "lock"):
        now = pointers(registry)
        old = [name for name in model_names(registry)[:-keep] if name not in (now.current, now.previous)]
        return [name for name in old if _remove(registry / name)]


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


def _repaired_pointers(registry: Path) -> Pointers:
    try:
        return pointers(registry)
    except RegistryError:
        unused = (registry / f"damaged-{number}-{POINTERS}" for number in itertools.count(1))
        (registry / POINTERS).rename(next(path for path in unused if not path.exists()))
        return NO_POINTERS


def _remove(folder: Path) -> bool:
    descriptor = os.open(folder / "manifest.json", os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folders.remove_folder(folder)
    except BlockingIOError:
        return False  # a reader holds it
    finally:
        os.close(descriptor)
    return True


def _move(registry: Path, before: Pointers, action: str, current: str, previous: str | None, why: str) -> Pointers:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    move = Move(now, action, before.current, current, why)
    after = Pointers(current, previous, (*before.log, move))
    atomic.write_json(registry / POINTERS, after.to_json())
    return after
