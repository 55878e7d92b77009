"""Centred kernel alignment (CKA): how alike two representations of the same chips are, from 0 to 1.

By Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited", section 3. The debiased form and its
sum over minibatches are by Nguyen et al. 2021, "Do Wide and Deep Networks Learn the Same Things?", section 2.
"""

from collections.abc import Sequence

import numpy as np

from ensemble.arrays import Floats, Vectors

MIN_CHIPS = 4  # HSIC1 divides by chips - 3


class MinibatchCka:
    """Debiased CKA between all layers of two networks, from one pass over minibatches.

    The memory holds one kernel (batch, batch) a layer and one sum a pair of layers, whatever the number of chips.
    """

    def __init__(self) -> None:
        self._sums: tuple[Floats, Floats, Floats] | None = None  # of HSIC1: across, within the first, within the second

    def update(self, first: Sequence[Vectors], second: Sequence[Vectors]) -> None:
        """Add a minibatch: the vectors (chips, dim) of each layer of each network, of the same chips.

        Raises:
            ValueError: the layers differ in their chips, or there are fewer than four chips.
        """
        rows = [_flat_kernel(vectors) for vectors in first]
        columns = rows if second is first else [_flat_kernel(vectors) for vectors in second]
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


def linear_cka(first: Vectors, second: Vectors) -> float:
    """Return linear CKA of vectors (chips, dim) of the same chips, in 0..1; NaN where one's vectors are all alike.

    It is ||Y'X||^2 / (||X'X|| ||Y'Y||) of centred vectors, by Frobenius norms (equation 5). With fewer chips than
    dimensions it is high for any two representations; `MinibatchCka` is not.
    """
    x, y = (vectors - vectors.mean(axis=0, dtype=np.float64) for vectors in (first, second))
    scale = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    return float(np.linalg.norm(y.T @ x) ** 2 / scale) if scale > 0 else np.nan


def rbf_cka(first: Vectors, second: Vectors, *, width: float) -> float:
    """Return CKA by Gaussian kernels, whose deviation is `width` times the root of the median squared distance."""
    x, y = (_centred(_rbf_kernel(vectors, width)) for vectors in (first, second))
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))


def mean_cca(first: Vectors, second: Vectors) -> float:
    """Return the mean canonical correlation, in 0..1; invertible linear maps of the vectors leave it as it is."""
    x, y = (np.linalg.qr(vectors - vectors.mean(axis=0, dtype=np.float64))[0] for vectors in (first, second))
    return float(np.linalg.svd(x.T @ y, compute_uv=False).mean())


def hsic1(first: Floats, second: Floats) -> float:
    """Return the unbiased estimate of HSIC by Song et al. 2012 of two kernels (chips, chips), at least four chips."""
    chips = len(first)
    return float(_debiased(first).ravel() @ _debiased(second).ravel() / (chips * (chips - 3)))


def _flat_kernel(vectors: Vectors) -> Floats:
    """Return the debiased linear kernel of a minibatch as (batch * batch,), scaled so that inner products are HSIC1."""
    wide = vectors.astype(np.float64)
    chips = len(wide)
    if chips < MIN_CHIPS:
        raise ValueError(f"a minibatch of {chips} chips cannot be compared; give at least {MIN_CHIPS}.")
    flat: Floats = _debiased(wide @ wide.T).ravel() / np.sqrt(chips * (chips - 3))
    return flat


def _debiased(kernel: Floats) -> Floats:
    """Return the U-centred kernel (Székely and Rizzo 2014); inner products of these are HSIC1 times n (n - 3)."""
    chips = len(kernel)
    hollow = kernel - np.diag(np.diag(kernel))
    means = hollow.sum(axis=0) / (chips - 2)
    centred: Floats = hollow - means - means[:, np.newaxis] + hollow.sum() / ((chips - 1) * (chips - 2))
    np.fill_diagonal(centred, 0)
    return centred


def _rbf_kernel(vectors: Vectors, width: float) -> Floats:
    wide = vectors.astype(np.float64)
    lengths = (wide**2).sum(axis=1)
    distances = np.maximum(lengths + lengths[:, np.newaxis] - 2 * wide @ wide.T, 0)
    kernel: Floats = np.exp(-distances / (2 * width**2 * np.median(distances)))
    return kernel


def _centred(kernel: Floats) -> Floats:
    means = kernel.mean(axis=0)
    centred: Floats = kernel - means - means[:, np.newaxis] + means.mean()
    return centred
