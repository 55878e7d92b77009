"""Find what is stated by percentiles of scenes: the values that become black and white."""

from collections.abc import Sequence

from amazon_tags import progress
from amazon_tags.model.bundle import Bundle
from features.images.layout import Layout, format_ranges, parse_levels
from features.scenes.percentiles import band_ranges, count_parts
from features.scenes.scene import Scene


def resolve_levels(models: Sequence[Bundle], scenes: Sequence[Scene], *, jobs: int = 1) -> list[Bundle]:
    """Return the models with numbers for percentiles, which are found over all the scenes together and reported.

    Args:
        models: The model as it reads each scene.
        scenes: Scenes that are scaled alike.
        jobs: Threads.

    Raises:
        ChipError: A scene is damaged, of 8 bits, or has other bands than the model.
        ValueError: The scenes have no such percentiles.
    """
    text = models[0].layout.levels
    levels = parse_levels(text)
    if levels.kind == "range":
        progress.say(f"values from low to high of --levels {text} become 0 to 255, those beyond 0 or 255")
    if levels.kind != "percentiles":
        return list(models)

    pairs = [(scene, model.spec) for scene, model in zip(scenes, models, strict=True)]
    with progress.bar("percentiles", sum(map(count_parts, scenes))) as advance:
        ranges = band_ranges(pairs, levels.ranges[0], jobs=jobs, advance=advance)
    found = format_ranges(ranges)
    progress.say(
        f"percentiles {text} of {', '.join(models[0].spec.bands)} are {found}: values from low to high become 0 to "
        f"255; --levels {found} repeats this"
    )
    return [model.reading(Layout(model.layout.bands, found)) for model in models]
