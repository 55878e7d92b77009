"""The card of a backbone folder: what it is, how it was pretrained and on what."""

from amazon_tags.model.backbone_folder import DECODER, WEIGHTS, BackboneManifest
from features.pretraining.settings import PretrainSettings

METHODS = {
    "simclr": "SimCLR (Chen et al. 2020)",
    "byol": "BYOL (Grill et al. 2020)",
    "fcmae": "FCMAE (Woo et al. 2023)",
}
SECONDS_AN_HOUR = 3600


def card_text(manifest: BackboneManifest, seconds: float) -> str:
    """Return the card in Markdown; `seconds` is how long the training took."""
    settings = PretrainSettings(**manifest.settings)
    start = {"imagenet": "Keras' ImageNet weights", "random": "random weights"}.get(
        manifest.start, f"a weight file of SHA-256 {manifest.start[:16]}"
    )
    accumulate = f" in {settings.accumulate} parts" if settings.accumulate > 1 else ""
    files = f"`{WEIGHTS}` and `{DECODER}`" if manifest.method == "fcmae" else f"`{WEIGHTS}`"
    spec = manifest.spec
    lines = [
        f"# {manifest.backbone}, pretrained by {METHODS[manifest.method]}",
        "",
        "A backbone that was trained on chips without labels. It has no head and gives no tags: name this folder where",
        "a backbone is named: `amazon_tags embed CHIPS --backbone FOLDER`, or `backbone` in a recipe of `train`.",
        "",
        "| | |",
        "|---|---|",
        f"| chips | {manifest.chips:,} of {', '.join(spec.bands)} ({spec.dtype}), shown at {spec.side} x {spec.side} |",
        f"| SHA-256 of the list of chips, by name and content | `{manifest.fingerprint}` |",
        f"| start | {start} |",
        f"| training | {settings.epochs} epochs, steps of {settings.batch * settings.accumulate} chips{accumulate} |",
        f"| optimizer | AdamW, highest learning rate {settings.step_rate():.3g}, seed {settings.seed} |",
        f"| time | {seconds / SECONDS_AN_HOUR:.2f} h |",
        f"| end | loss {manifest.loss:.4f}, spread of vectors {manifest.spread:.2f} (0: all alike, 1: evenly spread) |",
        f"| weights | {files}, whose SHA-256 is in `manifest.json` |",
        f"| written by | amazon_tags {manifest.version} |",
        "",
        "Whether it is better than another start is not measured here: compare both by `amazon_tags rank` on chips",
        "with labels. A copy of a chip of this list among the chips of a test makes its score too good.",
        "",
        f"Origin and terms of the chips: {' '.join(manifest.note.split()) or 'not stated'}.",
        "",
    ]
    return "\n".join(lines)
