"""Writes cells.npz: 569 tissue samples of 30 measured features and two classes. Put your own data
in its place.

The samples are those of Wolberg, Street and Mangasarian (Breast Cancer Wisconsin, 1995), as
scikit-learn ships them. Features are scaled to 0..1 by the training samples' range: a network file
takes counts, and `--preprocess levels:15` makes counts of 0..1.
"""

import numpy as np
from sklearn.datasets import load_breast_cancer

bunch = load_breast_cancer()
names = bunch.target_names[bunch.target]  # "malignant", "benign"
test = np.arange(len(names)) % 5 == 0  # every fifth sample
low, high = bunch.data[~test].min(0), bunch.data[~test].max(0)
features = np.clip((bunch.data - low) / (high - low), 0, 1).astype(np.float32)

np.savez(
    "cells.npz",
    x_train=features[~test],
    y_train=names[~test],
    x_test=features[test],
    y_test=names[test],
)
print(
    f"cells.npz: {np.count_nonzero(~test)} samples to train on, {np.count_nonzero(test)} to test "
    "with"
)
