"""The head of a card: the same facts as YAML, in the format of model hubs (Hugging Face's model card metadata)."""

import json

from amazon_tags.model.manifest import Manifest
from amazon_tags.model.measured_scores import MeasuredScores

STATED, UNKNOWN = "other\nlicense_name: see-data-and-licence", "unknown"  # of the hub's list; a chapter of the card


def card_head(manifest: Manifest, scores: MeasuredScores, *, folds: int) -> str:
    """Return the head between its lines of three hyphens.

    Args:
        manifest: with a summary of its data.
        scores: what was measured out of fold.
        folds: the number of folds.
    """
    data, (low, high) = manifest.data, scores.interval
    fingerprint, note = (data.fingerprint[:16], data.note) if data else ("", "")
    chips = f"{scores.chips} labelled chips, out of fold, {folds} folds"
    return f"""---
license: {STATED if note else UNKNOWN}
library_name: amazon-tags
pipeline_tag: image-classification
tags:
- multi-label-classification
- remote-sensing
- satellite-imagery
- openvino
metrics:
- f2
- f1
- mean_average_precision
model-index:
- name: {_quoted(f"amazon-tags {manifest.space.name}")}
  results:
  - task:
      type: image-classification
      name: Multi-label classification of satellite chips
    dataset:
      type: {_quoted(manifest.space.name)}
      name: {_quoted(chips)}
      revision: {_quoted(fingerprint)}
    metrics:
    - type: f2
      name: F2, mean over chips, 95 % interval {low:.4f} to {high:.4f}
      value: {scores.f2:.4f}
      args: {{beta: 2, average: samples, interval: [{low:.4f}, {high:.4f}]}}
    - type: f1
      name: F1, mean over labels
      value: {scores.macro_f1:.4f}
      args: {{average: macro}}
    - type: mean_average_precision
      name: Mean average precision
      value: {scores.mean_average_precision:.4f}
---
"""


def _quoted(text: str) -> str:
    """Return text as a YAML string on one line; YAML takes JSON's strings, but no characters without a glyph."""
    return json.dumps("".join(letter if letter.isprintable() else " " for letter in text), ensure_ascii=False)
