"""KerasHub presets as backbones, `hub:PRESET`: converted once into a network file, which is kept in the user's cache.

A preset is a folder, or a name that was downloaded with `--download`. `foreign_members` reads the network files.
"""

import hashlib
import json
import os
import sys
from contextlib import redirect_stdout
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from amazon_tags import progress
from amazon_tags.files import folders
from amazon_tags.files.hashes import sha256
from amazon_tags.tables.suggest import did_you_mean
from features.networks.foreign_settings import PRESET_PREFIX

CONFIG, CONVERTER = "config.json", "image_converter.json"


def backbone_path(backbone: str) -> Path:
    """Return the network file of a user's own backbone: the path itself, or that of a converted preset.

    A preset's folder is converted if need be, which takes a minute.

    Raises:
        FileNotFoundError: there is no such folder, and no preset of the name was downloaded.
        ValueError: the preset cannot be used, or the extra `hub` is missing.
    """
    if not backbone.startswith(PRESET_PREFIX):
        return Path(backbone)
    preset = backbone.removeprefix(PRESET_PREFIX)
    if Path(preset).is_dir():
        _refuse_other_folders(Path(preset))
        hashes = [(path.name, sha256(path)) for path in sorted(Path(preset).iterdir()) if path.is_file()]
        return _converted(preset, json.dumps(hashes))
    target = _target(preset, preset)
    if not target.exists():
        raise FileNotFoundError(
            f"{backbone} is neither the folder of a KerasHub preset nor a preset that was downloaded before; name a "
            "folder, or add --download."
        )
    return target


def download_preset(backbone: str) -> None:
    """Download a preset that is no folder from its hub by its name, and convert it, unless that was done before.

    Raises:
        ValueError: KerasHub has no such preset, it cannot be used, or the extra `hub` is missing.
    """
    preset = backbone.removeprefix(PRESET_PREFIX)
    if not backbone.startswith(PRESET_PREFIX) or Path(preset).is_dir() or _target(preset, preset).exists():
        return
    _need_hub(backbone)
    from features.networks import hub  # noqa: PLC0415  the extra `hub` begins here

    names = hub.preset_names()
    if preset not in names:
        raise ValueError(f"KerasHub has no preset named {preset}{did_you_mean(preset, names)}; see keras.io/keras_hub.")
    _converted(preset, preset)


def _converted(preset: str, content: str) -> Path:
    """Return the network file of a preset, which is converted if it is not in the cache."""
    target = _target(preset, content)
    if target.exists():
        return target
    _need_hub(f"{PRESET_PREFIX}{preset}")
    progress.say(f"converting the preset {preset}, once")
    with redirect_stdout(sys.stderr):  # downloads print to stdout
        from features.networks import hub  # noqa: PLC0415  the extra `hub` begins here

        target.parent.parent.mkdir(parents=True, exist_ok=True)
        with folders.atomic_folder(target.parent) as part:
            hub.convert(preset, part, target.stem)
    return target


def _target(preset: str, content: str) -> Path:
    """Return where the network of a preset is kept: by the hash of its files or, of a downloaded one, of its name."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "amazon_tags" / "hub"
    key = hashlib.sha256(json.dumps([content, version("amazon-tags")]).encode()).hexdigest()
    return cache / key[:16] / f"{Path(preset).resolve().name}.xml"


def _need_hub(backbone: str) -> None:
    """Raise ValueError without the extra `hub`, or on another backend of Keras than the one that converts."""
    missing = [name for name in ("keras_hub", "tensorflow") if find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{backbone} needs {missing[0]}, which the base install leaves out; run, in the checkout: "
            "pip install '.[train,hub]'"
        )
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise ValueError(
            f"{backbone} is converted by TensorFlow, but KERAS_BACKEND is {os.environ['KERAS_BACKEND']}; run embed "
            "with KERAS_BACKEND=tensorflow once, then any backend finds it."
        )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # or TensorFlow prints a page at start


def _refuse_other_folders(folder: Path) -> None:
    """Raise ValueError unless a folder holds a backbone that KerasHub saved, and its scaling.

    A class of any other package is not loaded.
    """
    try:
        name = str(json.loads((folder / CONFIG).read_text(encoding="utf-8"))["registered_name"])
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder} is no preset of KerasHub: its {CONFIG} is missing or names no class; save one by save_to_preset."
        ) from error
    if not name.startswith("keras_hub>"):
        raise ValueError(f"{folder} holds a {name}, which is no backbone of KerasHub; save one by save_to_preset.")
    if not (folder / CONVERTER).is_file():
        raise ValueError(
            f"{folder} has no {CONVERTER}, which says how its images are scaled; save the backbone's ImageConverter "
            "into the folder by save_to_preset."
        )
