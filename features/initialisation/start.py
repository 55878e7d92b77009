"""Name the starts that a network can be trained from, without loading Keras. `redraw` carries them out."""

from dataclasses import dataclass

STARTS = ("imagenet", "random", "auto", "grad", "stats", "transfer")
TRANSFER = "transfer"  # the start that is written with the name of a layer: transfer:LAYER


@dataclass(frozen=True)
class Start:
    """What the weights of a network are before training.

    Attributes:
        name: `imagenet` keeps the weights that were loaded. `random` redraws all of them, and
            `auto` scales what `random` draws so that signals keep their variance. `grad` draws as `random`; training
            then scales each tensor. `stats` redraws each tensor from its own mean and variance. `transfer:LAYER` keeps
            the weights up to a layer, and redraws the others.
        seed: Of what is redrawn.
        stream: Of what is redrawn with the same seed, for several networks in one.
    """

    name: str = "imagenet"
    seed: int = 0
    stream: int = 0

    def kind(self) -> str:
        """Return the name without its layer, one of `STARTS`."""
        return self.name.partition(":")[0]

    def layer(self) -> str | None:
        """Return the layer of `transfer:LAYER`, or None."""
        return self.name.partition(":")[2] or None

    def takes_weights(self) -> bool:
        """Return whether the start depends on the weights that were loaded."""
        return self.kind() in ("imagenet", "stats", TRANSFER)


def refuse_unknown_start(name: str) -> None:
    """Raise ValueError unless `name` is one of `STARTS`, with a layer for `transfer` and without one for others."""
    kind, colon, layer = name.partition(":")
    if kind not in STARTS:
        raise ValueError(f"there is no start named {kind}; choose one of {', '.join(STARTS)}.")
    if kind == TRANSFER and not layer:
        raise ValueError("the start transfer has no layer; write transfer:LAYER, with the last layer to keep.")
    if kind != TRANSFER and colon:
        raise ValueError(f"the start {kind} takes no layer, but it is {name}; write {kind}.")
