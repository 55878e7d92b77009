"""Open the scenes of a map, and report what is not read."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rasterio.windows import Window as RasterPart

from amazon_tags import progress
from features.images import naming
from features.scenes import remote
from features.scenes.joined import join
from features.scenes.remote import RemoteFile
from features.scenes.scene import Scene, open_scene, sidecars

TIF_SUFFIXES = (".tif", ".tiff")
MAX_OPEN_FILES = 128  # of all scenes together; systems allow 256 or more


@contextmanager
def open_scenes(paths: Sequence[Path | RemoteFile], *, jobs: int = 1) -> Iterator[Scene]:
    """Open GeoTIFFs or a JPG as one scene, for `jobs` threads; a file on a server is one that the user asked for.

    Raises:
        RemoteError: A file cannot be read from its server.
        ChipError: A file is damaged, or no scene that is read.
        OSError: A file cannot be read.
        ValueError: There are no files, or several that do not lie on one grid of pixels.
    """
    if not paths:
        raise ValueError("there is no scene; pass a GeoTIFF or a JPG.")
    readers = max(1, min(jobs, MAX_OPEN_FILES // len(paths)))
    beside = [name for path in paths if isinstance(path, Path) for name in sidecars(path)]
    if beside:
        progress.say(
            f"{len(beside)} files beside the scenes are not read (first: {beside[0]}); write what they state into the "
            "scenes, such as by gdal_translate"
        )
    with ExitStack() as opened:
        scenes = [opened.enter_context(open_scene(path, readers=readers)) for path in paths]
        joined = join(scenes)
        if joined.bands > scenes[0].bands:
            names = joined.read_inside(RasterPart(0, 0, 1, 1)).bands
            progress.say(
                f"{len(scenes)} files of one band are read as one scene with the bands "
                f"{', '.join(name or 'unknown' for name in names)}; --bands states others, in the order of the files"
            )
        yield joined


def scene_source(text: str, *, is_remote_allowed: bool) -> Path | RemoteFile:
    """Return the file of a path, or of a URL where the user has allowed to read over the network.

    Raises:
        ValueError: It is a URL, and that is not allowed; or a URL or a virtual path of GDAL that is never read.
    """
    if not remote.looks_remote(text):
        return Path(text)
    file = remote.parse_url(text)
    if not is_remote_allowed:
        raise ValueError(f"{file} is on a server, and nothing is read over a network unless --remote is passed.")
    return file


def scene_files(path: Path) -> list[Path]:
    """Return the files of a scene: a file itself, or the GeoTIFFs of a folder in natural order.

    Raises:
        ValueError: The folder holds no GeoTIFF.
    """
    if not path.is_dir():
        return [path]
    files = [file for file in path.iterdir() if file.suffix.lower() in TIF_SUFFIXES]
    if not files:
        raise ValueError(f"{path} holds no file that ends in {' or '.join(TIF_SUFFIXES)}; name a scene, or its folder.")
    return sorted(files, key=lambda file: naming.natural(file.name))
