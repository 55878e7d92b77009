"""The table of classical classifiers. Each one can be fitted when one chip, no chip or every chip carries a label.

`ensemble.heads.fitted` has the heads that they return, which run without the libraries that fit them.
"""

from collections.abc import Callable

from ensemble.arrays import Tags, Vectors
from ensemble.heads.fitted import Head
from ensemble.heads.logistic import fit_logistic
from ensemble.heads.neighbours import fit_neighbours
from ensemble.heads.ridge import fit_ridge
from ensemble.heads.svm import fit_svm
from ensemble.heads.trees import fit_boosted, fit_forest

HEADS: dict[str, Callable[[Vectors, Tags, int], Head]] = {  # name -> fit(vectors, truth, seed)
    "logistic": fit_logistic,
    "ridge": fit_ridge,
    "svm": fit_svm,
    "neighbours": fit_neighbours,
    "forest": fit_forest,
    "boosted": fit_boosted,
}
