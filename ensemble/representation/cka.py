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

    Args:
        measure: a key of `KERNELS`.
    """

    def __init__(self, measure: str = "debiased") -> None:
        self._kernel = KERNELS[measure]
        self._sums: tuple[Floats, Floats, Floats] | None = None  # of HSIC: across, within the first, within the second

    def update(self, first: Sequence[Vectors], second: Sequence[Vectors]) -> None:
        """Add a minibatch: the vectors (chips, dim) of each layer of each network, of the same chips.

        Raises:
            ValueError: the layers differ in their chips, or there are fewer than four chips.
        """
        rows = [self._flat_kernel(vectors) for vectors in first]
        columns = rows if second is first else [self._flat_kernel(vectors) for vectors in second]
        if len({kernel.size for kernel in (*rows, *columns)}) != 1:
            raise ValueError("the layers have vectors of different numbers of chips; give each layer the same chips.")
        across = np.array([[row @ column for column in columns] for row in rows])
        sums = (across, np.array([row @ row for row in rows]), np.array([column @ column for column in columns]))
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

    def _flat_kernel(self, vectors: Vectors) -> Floats:
        """Return the kernel of a minibatch as (batch * batch,); it is 0 where all vectors are alike."""
        wide = vectors.astype(np.float64)
        if len(wide) < MIN_CHIPS:
            raise ValueError(f"a minibatch of {len(wide)} chips cannot be compared; give at least {MIN_CHIPS}.")
        centred = wide - wide.mean(axis=0)
        if np.abs(centred).max() <= ROUNDING * np.abs(wide).max():
            return np.zeros(len(wide) ** 2)
        return self._kernel(centred).ravel()


def mean_cca(first: Vectors, second: Vectors) -> float:
    """Return the mean canonical correlation of vectors (chips, dim), in 0..1; any invertible linear map keeps it.

    It is 1 for any two sets of vectors that are as wide as there are chips, so it needs all chips at once.
    """
    x, y = (np.linalg.qr(vectors - vectors.mean(axis=0, dtype=np.float64))[0] for vectors in (first, second))
    return float(np.linalg.svd(x.T @ y, compute_uv=False).mean())


def hsic1(first: Floats, second: Floats) -> float:
    """Return the unbiased estimate of HSIC by Song et al. 2012 of two kernels (chips, chips), at least four chips."""
    chips = len(first)
    return float(_hollow_centred(first).ravel() @ _hollow_centred(second).ravel() / (chips * (chips - 3)))


def _debiased_kernel(vectors: Floats) -> Floats:
    """Return the debiased linear kernel (chips, chips), scaled so that inner products are HSIC1."""
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
