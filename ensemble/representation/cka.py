"""Centred kernel alignment (CKA): how alike two representations of the same chips are, from 0 to 1.

By Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3. The debiased form and its
sum over minibatches are by Nguyen et al. 2021, "Do Wide and Deep Networks Learn the Same Things?", section 2.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ensemble.arrays import Floats, Vectors

MIN_CHIPS = 4  # HSIC1 divides by chips - 3
RBF_WIDTH = 0.5  # of Gaussian kernels: their deviation, as a share of the root of the median squared distance
ROUNDING = 1e-6  # of the largest value: smaller differences between float32 vectors are rounding


class MinibatchCka:
    """CKA between all layers of two networks, from one pass over minibatches.

    The memory holds one kernel (batch, batch) a layer and one sum a pair of layers, whatever the number of chips.

    `debiased` is 0 on average for unrelated layers. `linear` and `rbf` are not debiased: they are high for any two
    layers if a minibatch has fewer chips than a layer has columns. If one minibatch holds all chips, `linear` is
    equation 5 of Kornblith et al., and `rbf` is the same with Gaussian kernels, by which near chips count more.

    `cca` is the mean canonical correlation instead (their section 3), as the mean over minibatches; linear maps keep
    it. A layer has no figure where it has as many columns as a minibatch has chips, for it would be 1.

    Args:
        measure: one of `MEASURES`.
    """

    def __init__(self, measure: str = "debiased") -> None:
        self._prepare = KERNELS.get(measure, _basis)
        self._inner: Callable[[Floats, Floats], float] = _correlation if measure == "cca" else _product
        self._sums: tuple[Floats, Floats, Floats] | None = None  # of HSIC: across, within the first, within the second

    def update(self, first: Sequence[Vectors], second: Sequence[Vectors]) -> None:
        """Add a minibatch: the vectors (chips, dim) of each layer of each network, of the same chips.

        Raises:
            ValueError: the layers differ in their chips, or there are fewer than four chips.
        """
        if len({len(vectors) for vectors in (*first, *second)}) != 1:
            raise ValueError("the layers have vectors of different numbers of chips; give each layer the same chips.")
        rows = [self._prepared(vectors) for vectors in first]
        columns = rows if second is first else [self._prepared(vectors) for vectors in second]
        across = np.array([[self._inner(row, column) for column in columns] for row in rows])
        sums = (across, *(np.array([self._inner(own, own) for own in layers]) for layers in (rows, columns)))
        old = self._sums or tuple(np.zeros_like(part) for part in sums)
        self._sums = (old[0] + sums[0], old[1] + sums[1], old[2] + sums[2])

    def similarities(self) -> Floats:
        """Return CKA (layers of the first, layers of the second); NaN where a layer's vectors are all alike.

        Raises:
            ValueError: there was no minibatch.
        """
        if self._sums is None:
            raise ValueError("there was no minibatch to compare; call update first.")
        across, first, second = self._sums
        scale = np.sqrt(np.outer(np.where(first > 0, first, np.nan), np.where(second > 0, second, np.nan)))
        similarities: Floats = across / scale
        return similarities

    def _prepared(self, vectors: Vectors) -> Floats:
        """Return the kernel or the basis of a minibatch (batch, ...); it is 0 where all vectors are alike."""
        wide = vectors.astype(np.float64)
        if len(wide) < MIN_CHIPS:
            raise ValueError(f"a minibatch of {len(wide)} chips cannot be compared; give at least {MIN_CHIPS}.")
        centred = wide - wide.mean(axis=0)
        if np.abs(centred).max() <= ROUNDING * np.abs(wide).max():
            centred = np.zeros_like(centred)
        return self._prepare(centred)


def _basis(vectors: Floats) -> Floats:
    """Return an orthonormal basis (chips, rank) of centred columns; none if they span all centred columns."""
    directions, lengths, _ = np.linalg.svd(vectors, full_matrices=False)
    basis: Floats = directions[:, lengths > max(ROUNDING * lengths[0], np.finfo(float).tiny)]
    return basis if basis.shape[1] < len(vectors) - 1 else basis[:, :0]


def _product(first: Floats, second: Floats) -> float:
    return float(np.vdot(first, second))


def _correlation(first: Floats, second: Floats) -> float:
    """Return the mean canonical correlation of what two bases (chips, rank) span, times the chips."""
    correlations = np.linalg.svd(first.T @ second, compute_uv=False)
    return float(len(first) * correlations.mean()) if len(correlations) else 0.0


def _debiased_kernel(vectors: Floats) -> Floats:
    """Return the debiased linear kernel (chips, chips), scaled so that inner products are HSIC1 (Song et al. 2012)."""
    chips = len(vectors)
    kernel: Floats = _hollow_centred(vectors @ vectors.T) / np.sqrt(chips * (chips - 3))
    return kernel


def _linear_kernel(vectors: Floats) -> Floats:
    """Return the linear kernel (chips, chips), scaled so that inner products are HSIC."""
    return _centred(vectors @ vectors.T)


def _rbf_kernel(vectors: Floats) -> Floats:
    """Return the Gaussian kernel (chips, chips), scaled likewise; 0 if most chips are equal, for want of a width."""
    lengths = (vectors**2).sum(axis=1)
    distances = np.maximum(lengths + lengths[:, np.newaxis] - 2 * vectors @ vectors.T, 0)
    median = np.median(distances)
    return _centred(np.exp(-distances / (2 * RBF_WIDTH**2 * median))) if median > 0 else np.zeros_like(distances)


KERNELS: dict[str, Callable[[Floats], Floats]] = {
    "debiased": _debiased_kernel,
    "linear": _linear_kernel,
    "rbf": _rbf_kernel,
}


MEASURES = (*KERNELS, "cca")


def _hollow_centred(kernel: Floats) -> Floats:
    """Return the U-centred kernel (Székely and Rizzo 2014); inner products of these are HSIC1 times n (n - 3)."""
    chips = len(kernel)
    hollow = kernel - np.diag(np.diag(kernel))
    means = hollow.sum(axis=0) / (chips - 2)
    centred: Floats = hollow - means - means[:, np.newaxis] + hollow.sum() / ((chips - 1) * (chips - 2))
    np.fill_diagonal(centred, 0)
    return centred


def _centred(kernel: Floats) -> Floats:
    """Return the centred kernel, divided by chips - 1."""
    means = kernel.mean(axis=0)
    centred: Floats = (kernel - means - means[:, np.newaxis] + means.mean()) / (len(kernel) - 1)
    return centred
