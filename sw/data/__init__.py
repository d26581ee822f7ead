"""Data sets, own data and event recordings as integer counts.

Axis order: images (B, C, H, W); counts (B, C, H, W) for one source tick, (B, T, C, H, W) for more.
"""

from polyrhythm.sw.data.load import (
    DATASETS,
    DataError,
    Dataset,
    Preprocess,
    cache_root,
    encode,
    find,
    inputs_for,
    is_here,
    load,
    parse_preprocess,
    preprocess_of,
    roots,
)

__all__ = [
    "DATASETS",
    "DataError",
    "Dataset",
    "Preprocess",
    "cache_root",
    "encode",
    "find",
    "inputs_for",
    "is_here",
    "load",
    "parse_preprocess",
    "preprocess_of",
    "roots",
]
