"""A name or a path -> images and labels.

`load_images` accepts names of data sets, folders, zips and NumPy files, and returns an `ImageSet`.
"""

from image_datasets.array_files import load_arrays
from image_datasets.arrays import load_image_array
from image_datasets.image_set import ImagesChanged, ImageSet, LevelsSeen, epoch_order
from image_datasets.keras_datasets import KERAS_DATASETS
from image_datasets.loading import DATASET_NAMES, load_images, similar_data
from image_datasets.options import ChoicesNeeded, ReadingOptions
from image_datasets.pictures import ImagesNotAlike

__all__ = [
    "DATASET_NAMES",
    "KERAS_DATASETS",
    "ChoicesNeeded",
    "ImageSet",
    "ImagesChanged",
    "ImagesNotAlike",
    "LevelsSeen",
    "ReadingOptions",
    "epoch_order",
    "load_arrays",
    "load_image_array",
    "load_images",
    "similar_data",
]
