"""Tags for satellite chips: label tables, model bundles and runs around `features` and `ensemble`.

The names in `__all__` are the Python interface. They are imported at their first use, so that importing the package
loads no library.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from amazon_tags.evaluation.tune import TuneRequest, tune
    from amazon_tags.maps.compare_scenes import ChangeSettings
    from amazon_tags.maps.plan import MapSettings
    from amazon_tags.model.recipe_file import choose_recipe
    from amazon_tags.review.chip_tags import ChipTags
    from amazon_tags.tagger import ChangedWindow, MapWindow, Tagger
    from amazon_tags.training.preparation import TrainOptions
    from amazon_tags.training.train import train
    from amazon_tags.training.train_vectors import train_vectors
    from amazon_tags.training.training_data import TrainingSource

__all__ = [
    "ChangeSettings",
    "ChangedWindow",
    "ChipTags",
    "MapSettings",
    "MapWindow",
    "Tagger",
    "TrainOptions",
    "TrainingSource",
    "TuneRequest",
    "choose_recipe",
    "train",
    "train_vectors",
    "tune",
]

_MODULES = {
    "ChangeSettings": "amazon_tags.maps.compare_scenes",
    "ChangedWindow": "amazon_tags.tagger",
    "ChipTags": "amazon_tags.review.chip_tags",
    "MapSettings": "amazon_tags.maps.plan",
    "MapWindow": "amazon_tags.tagger",
    "Tagger": "amazon_tags.tagger",
    "TrainOptions": "amazon_tags.training.preparation",
    "TrainingSource": "amazon_tags.training.training_data",
    "TuneRequest": "amazon_tags.evaluation.tune",
    "choose_recipe": "amazon_tags.model.recipe_file",
    "train": "amazon_tags.training.train",
    "train_vectors": "amazon_tags.training.train_vectors",
    "tune": "amazon_tags.evaluation.tune",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use.

    Raises:
        AttributeError: the package has no such name.
        ModuleNotFoundError: the name needs the `train` extra, which is not installed.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(_MODULES[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("albumentations", "h5py", "keras", "nncf", "tensorflow"):
            raise
        message = f"amazon_tags.{name} needs {error.name}; run, in the checkout: pip install '.[train]'"
        raise ModuleNotFoundError(message, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the names of the module, with the public ones that are not imported yet."""
    return sorted({*globals(), *__all__})
