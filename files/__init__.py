"""Files in and out: written whole or not at all, and read with one-line errors that name the file."""

from files.arrays import ArrayArchive, load_arrays
from files.documents import read_json, read_json_lines
from files.names import plain_names
from files.network_check import check_keras_file
from files.opening import DamagedFile, UnreadableFile, brief, open_regular, reason_of
from files.places import check_place, nearest_path
from files.writing import (
    PARTIAL_MARK,
    atomic_folder,
    atomic_path,
    atomic_paths,
    remove_partials,
    write_array,
    write_text,
)

__all__ = [
    "PARTIAL_MARK",
    "ArrayArchive",
    "DamagedFile",
    "UnreadableFile",
    "atomic_folder",
    "atomic_path",
    "atomic_paths",
    "brief",
    "check_keras_file",
    "check_place",
    "load_arrays",
    "nearest_path",
    "open_regular",
    "plain_names",
    "read_json",
    "read_json_lines",
    "reason_of",
    "remove_partials",
    "write_array",
    "write_text",
]
