"""Real data, embedded or local, in one shape: float32 samples and int64 labels, split into training and test."""

from flow.datasets.dataset import Dataset
from flow.datasets.load import DATASETS, load

__all__ = ["DATASETS", "Dataset", "load"]
