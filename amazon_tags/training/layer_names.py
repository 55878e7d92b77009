"""Refuse layers at which a backbone cannot end."""

from amazon_tags.tables.suggest import did_you_mean
from features.networks.backbone_shapes import BACKBONE_SHAPES


def refuse_layer(backbone: str, layer: str) -> None:
    """Raise ValueError if a backbone of the table cannot end at a layer; Keras is needed only for layers not in it."""
    listed = ["top", *BACKBONE_SHAPES[backbone].truncations]
    if layer in listed:
        return
    from features.networks.backbones import ends_of  # noqa: PLC0415  it imports Keras

    names = ends_of(backbone)
    if layer not in names:
        longer = [name for name in listed if name.startswith(layer)]  # those of the table are the more usual ends
        near = did_you_mean(layer, longer if len(longer) == 1 else names)
        raise ValueError(
            f"there is no layer of {backbone} named {layer}{near}; it may end at top or one of {len(names)} layers "
            f"from {names[0]} to {names[-1]}; amazon_tags search-layer compares the ends of its blocks."
        )
