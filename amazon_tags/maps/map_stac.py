"""Write a STAC item of a map: where and when the scene is, the files, and the model by the MLM extension."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from amazon_tags.maps.map_geojson import polygon, to_longitude_latitude
from amazon_tags.model.bundle import Bundle
from amazon_tags.records import Json
from features.images.footprint import ring
from features.scenes.scene import Scene

STAC_VERSION = "1.1.0"
EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/classification/v2.0.0/schema.json",
    "https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
)
KINDS = {  # by suffix: media type and role
    ".parquet": ("application/vnd.apache.parquet", "data"),
    ".geojson": ("application/geo+json", "data"),
    ".gpkg": ("application/geopackage+sqlite3", "data"),
    ".tif": ("image/tiff; application=geotiff; profile=cloud-optimized", "data"),
    ".tiff": ("image/tiff; application=geotiff; profile=cloud-optimized", "data"),
    ".qml": ("application/xml", "metadata"),
    ".html": ("text/html", "overview"),
}


def encode(item: Path, scene: Scene, model: Bundle, files: Mapping[str, Path], date: datetime) -> bytes:
    """Return the bytes of an item.

    Args:
        item: The item's file, to which the links to the others are relative.
        scene: What was mapped.
        model: What scored the windows.
        files: The files of the map by the keys of their assets.
        date: When the scene was taken.

    Raises:
        ValueError: The scene's reference system cannot be converted to longitude and latitude.
    """
    content: Json = {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": list(EXTENSIONS),
        "id": item.stem,
        **_place(scene),
        "properties": {
            "datetime": _utc(date),
            "created": _utc(datetime.now(UTC)),
            "title": f"Tags of {item.stem}",
            **_projection(scene),
            **_model(model),
        },
        "links": [],
        "assets": {key: _asset(path, item) for key, path in files.items()} | {"model": _model_asset(model)},
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _place(scene: Scene) -> Json:
    """Return geometry and bounding box; a scene without a position has no geometry, and needs no box."""
    if scene.crs is None:
        return {"geometry": None}
    corners = np.array([ring(scene.transform, (0, 0, scene.width, scene.height))])
    geometry = polygon(to_longitude_latitude(scene, corners)[0])
    parts = geometry["coordinates"] if geometry["type"] == "Polygon" else [part[0] for part in geometry["coordinates"]]
    points = [np.array(part) for part in parts]
    west, east = (points[0][:, 0].min(), points[-1][:, 0].max())  # of two parts the first lies east of the antimeridian
    south, north = (min(part[:, 1].min() for part in points), max(part[:, 1].max() for part in points))
    return {"geometry": geometry, "bbox": [float(value) for value in (west, south, east, north)]}


def _projection(scene: Scene) -> Json:
    """Return the fields of the projection extension."""
    shape = {"proj:shape": [scene.height, scene.width], "proj:transform": list(scene.transform[:6])}
    if scene.crs is None:
        return shape
    code = scene.crs.to_epsg()
    place = {"proj:code": f"EPSG:{code}"} if code else {"proj:code": None, "proj:wkt2": scene.crs.to_wkt("WKT2_2019")}
    return {**place, **shape}


def _model(model: Bundle) -> Json:
    """Return the fields of the MLM extension: what the model takes and gives."""
    spec, labels = model.spec, model.space.names
    backbones = [str(getattr(settings, "backbone", settings.name)) for settings in model.manifest.read_recipe().members]
    return {
        "mlm:name": f"amazon-tags {model.space.name} {model.manifest.sha256[:12]}",
        "mlm:architecture": ", ".join(dict.fromkeys(backbones)),
        "mlm:tasks": ["scene-classification"],
        "mlm:framework": "OpenVINO",
        "mlm:framework_version": version("openvino"),
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [
            {
                "name": "chip",
                "bands": list(spec.bands),
                "input": {
                    "shape": [-1, spec.side, spec.side, len(spec.bands)],
                    "dim_order": ["batch", "height", "width", "bands"],
                    "data_type": spec.dtype,
                },
                "pre_processing_function": None,
            }
        ],
        "mlm:output": [
            {
                "name": "scores",
                "tasks": ["scene-classification"],
                "result": {"shape": [-1, len(labels)], "dim_order": ["batch", "class"], "data_type": "float32"},
                "classification:classes": [
                    {"value": place, "name": name, "description": name} for place, name in enumerate(labels)
                ],
                "post_processing_function": None,
            }
        ],
    }


def _asset(path: Path, item: Path) -> Json:
    kind, role = KINDS[path.suffix.lower()]
    place = os.path.relpath(path.absolute(), item.absolute().parent)
    return {"href": place if place.startswith("..") else f"./{place}", "type": kind, "roles": [role]}


def _model_asset(model: Bundle) -> Json:
    """Return the asset of the model, which the item names by its hash, since the bundle may lie anywhere."""
    return {
        "href": f"urn:sha256:{model.manifest.sha256}",
        "title": "The model bundle of this SHA-256, see its manifest.json",
        "roles": ["mlm:model"],
        "mlm:artifact_type": "amazon-tags bundle",
    }
