"""Laws of files: whole or not at all, whoever writes beside; read, or refused in one line that names the file."""

import errno
import io
import os
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from files import (
    PARTIAL_MARK,
    atomic_path,
    load_arrays,
    open_regular,
    plain_names,
    read_json,
    read_json_lines,
    remove_partials,
    write_text,
)
from files.archives import HIGHEST_RATIO, LARGE_MEMBER, open_member, open_zip
from files.locks import LOCK_NAME, FolderIsLocked, locked_folder

ROOT = Path(__file__).resolve().parent.parent


def refused(call, path, *words):
    """The message of the ValueError that `call` raises: one short line that names the file and has the words."""
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert str(path) in message and "expected" in message and "\n" not in message
    assert all(word in message for word in words), message
    return message


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_a_link_that_lies_ready_is_not_written_through(tmp_path, monkeypatch):
    (tmp_path / "precious.txt").write_text("mine")
    link = tmp_path / f".notes.aaaa{PARTIAL_MARK}.txt"
    link.symlink_to(tmp_path / "precious.txt")
    tokens = iter(["aaaa", "bbbb"])
    monkeypatch.setattr("files.writing.secrets.token_hex", lambda _: next(tokens))
    write_text(tmp_path / "notes.txt", "new")
    assert (tmp_path / "precious.txt").read_text() == "mine" and (tmp_path / "notes.txt").read_text() == "new"
    assert link.is_symlink()


def test_a_link_at_the_path_is_replaced_not_followed(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "notes.txt").symlink_to(tmp_path / "precious.txt")
    write_text(tmp_path / "notes.txt", "new")
    assert (tmp_path / "precious.txt").read_text() == "mine" and not (tmp_path / "notes.txt").is_symlink()


def test_two_writers_of_one_path_leave_whole_files(tmp_path):
    path = tmp_path / "letters.txt"
    texts = [letter * 200_000 for letter in "ab"]

    def write(text):
        for _ in range(10):
            write_text(path, text)

    write(texts[0])
    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_text() in texts
    assert names_in(tmp_path) == ["letters.txt"]


def test_what_is_being_written_is_not_tidied_away(tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / f".old.0000{PARTIAL_MARK}.txt").write_text("left by a killed process")
    (tmp_path / f".link{PARTIAL_MARK}.txt").symlink_to(tmp_path / "below")
    with atomic_path(tmp_path / "new.txt") as partial:
        partial.write_text("whole")
        remove_partials(tmp_path)
    assert names_in(tmp_path) == [f".link{PARTIAL_MARK}.txt", "below", "new.txt"]
    assert not names_in(tmp_path / "below")


def test_a_failed_write_leaves_nothing_and_takes_nothing(tmp_path):
    write_text(tmp_path / "notes.txt", "old")
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "notes.txt") as partial:
        partial.write_text("half")
        raise RuntimeError
    assert (tmp_path / "notes.txt").read_text() == "old" and names_in(tmp_path) == ["notes.txt"]


def test_a_failed_write_names_its_file(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("files.writing.os.fsync", fail)
    with pytest.raises(OSError, match=r"No space left on device: '.*notes\.txt'"):
        write_text(tmp_path / "notes.txt", "new")
    assert not names_in(tmp_path)


def test_names_of_any_length_and_mode(tmp_path):
    long = tmp_path / ("n" * 250 + ".txt")
    write_text(long, "x")
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "shared.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "shared.txt").stat().st_mode & 0o777 == 0o640


# Names


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(st.text(), st.text("./\\a\n\x1b ", max_size=4), st.sampled_from(["..", "con", "A", "a"]))))
def test_names_from_data_are_plain_and_all_different(names):
    plain = plain_names(names)
    assert len({name.casefold() for name in plain}) == len(names)
    for name in plain:
        assert Path("folder", name).parent == Path("folder") and name not in (".", "..") and name.isprintable()
        assert not name.startswith(".") and len(name.encode()) < 240


def test_usual_names_stay_as_they_are():
    names = ["cat", "t-shirt", "ankle boot", "猫", "été", "a.b", "7"]
    assert plain_names(names) == names


# Opening


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_devices_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, words in (("pipe", "a pipe"), ("zero", "a device"), ("", "a folder"), ("nowhere", "a link to nothing")):
        refused(lambda name=name: open_regular(tmp_path / name), tmp_path / name, words)
    refused(lambda: open_regular(tmp_path / "loop"), tmp_path / "loop", "check the path")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "missing")
    (tmp_path / "large").write_bytes(b"12345")
    refused(lambda: open_regular(tmp_path / "large", 4), tmp_path / "large", "at most 4 bytes, got 5")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_permission_is_what_is_advised(tmp_path):
    (tmp_path / "closed").write_bytes(b"x")
    (tmp_path / "closed").chmod(0)
    refused(lambda: open_regular(tmp_path / "closed"), tmp_path / "closed", "change its permissions")


# JSON


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"[NaN]",
        b"[-Infinity]",
        b'"\x00"',
        b"nul",
    ],
)
def test_what_is_not_json_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    refused(lambda: read_json(path), path, "restore it")
    if b"[N" not in content and b"[-" not in content and content:
        refused(lambda: read_json_lines(path), path)


def test_lines_of_json(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a": NaN}\n')
    assert read_json_lines(path)[0] == {"a": 1}
    path.write_text('{"a": 1}\n{"a"')
    refused(lambda: read_json_lines(path), path, "line 2")


# Arrays


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_arrays_are_read_as_numpy_reads_them(tmp_path):
    arrays = {
        "order": np.asfortranarray(np.arange(24, dtype=">u2").reshape(2, 3, 4)),
        "none": np.zeros((0, 3)),
        "one": np.float32(7),
        "words": np.array(["cat", "dog"]),
    }
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "all.npz", **arrays)
        loaded = load_arrays(tmp_path / "all.npz")
        assert set(loaded) == set(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(loaded[name], array)
            assert loaded[name].dtype == array.dtype
    for name in ("order", "none"):
        np.save(tmp_path / "one.npy", arrays[name])
        np.testing.assert_array_equal(load_arrays(tmp_path / "one.npy"), arrays[name])
    with pytest.raises(KeyError):
        load_arrays(tmp_path / "all.npz")["missing"]


def test_an_array_that_is_not_needed_is_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "both.npz", "w") as archive:
        archive.writestr("images.npy", npy_bytes(np.arange(5)))
        archive.writestr("unused.npy", b"not an array at all")
    loaded = load_arrays(tmp_path / "both.npz")
    np.testing.assert_array_equal(loaded["images"], np.arange(5))
    refused(lambda: loaded["unused"], tmp_path / "both.npz", "unused")


def test_headers_are_read_without_their_values(tmp_path):
    content = npy_bytes(np.zeros((3, 4), np.uint8))
    with zipfile.ZipFile(tmp_path / "both.npz", "w") as archive:
        archive.writestr("whole.npy", content)
        archive.writestr("cut.npy", content[:-5])
    loaded = load_arrays(tmp_path / "both.npz")
    assert loaded.headers() == {"whole": ((3, 4), np.uint8), "cut": ((3, 4), np.uint8)}
    refused(lambda: loaded["cut"], tmp_path / "both.npz", "cut")


def with_header(text: str, version=(1, 0)) -> bytes:
    header = text.encode("latin-1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"<html>",
        npy_bytes(np.arange(100))[:-1],
        npy_bytes(np.array([{}], object)),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3L,"),  # tokenize.TokenError
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }") + bytes(12),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }"),
        with_header("{'descr': 'x', 'fortran_order': False, 'shape': (3,), }"),
        with_header("(" * 5000),
        with_header("[]" * 20000),
        with_header("{}", (3, 0)),
        with_header("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", (2, 0)),
    ],
)
def test_what_is_no_array_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "images.npy"
    path.write_bytes(content)
    refused(lambda: load_arrays(path), path)
    if not content.startswith(b"PK"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", content)
        refused(lambda: load_arrays(path)["images"], path, "images")


# Zip archives


def damaged_zip(change) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_bytes(np.arange(1000)))
    content = bytearray(file.getvalue())
    change(content, content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02"))
    return bytes(content)


def set_both(local_offset, value):
    def change(content, local, central):
        content[local + local_offset] = content[central + local_offset + 2] = value

    return change


def set_local(offset, value):
    def change(content, local, central):
        content[local + offset] = value

    return change


def set_central(offset, value):
    def change(content, local, central):
        content[central + offset] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_both(6, 1), "an encrypted member"),
        (set_both(8, 97), "an unsupported kind"),
        (set_local(60, 0xFF), "damaged"),
        (set_local(30, 0xFF), "damaged"),
        (
            lambda content, local, central: content.__setitem__(slice(central + 16, central + 20), b"\0\0\0\0"),
            "damaged",
        ),
    ],
)
def test_damaged_members_are_refused_in_one_line(tmp_path, change, words):
    path = tmp_path / "images.npz"
    path.write_bytes(damaged_zip(change))
    refused(lambda: load_arrays(path)["images"], path, words)


def test_a_bomb_is_refused_by_its_header_and_flat_pictures_are_not(tmp_path):
    def archive_of(size):
        with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.bmp", bytes(size))
        return open_zip(tmp_path / "a.zip")

    with archive_of(2**20) as archive:
        info = archive.infolist()[0]
        assert info.file_size > HIGHEST_RATIO * info.compress_size
        assert len(open_member(archive, info, "a.bmp").read()) == 2**20
        info.file_size = LARGE_MEMBER + 1
        refused(lambda: open_member(archive, info, "a.bmp"), "a.bmp", "may be a zip bomb")


def test_mutated_archives_and_arrays_load_or_are_refused(tmp_path):
    """A short form of benchmarks/soak.py: a byte changed anywhere, and nothing but a documented error comes of it."""
    random = np.random.default_rng(0)
    for name, content in (("a.npz", damaged_zip(lambda *_: None)), ("a.npy", npy_bytes(np.arange(64)))):
        path = tmp_path / name
        for place in random.integers(0, len(content), 300).tolist():
            mutated = bytearray(content)
            mutated[place] ^= 1 << random.integers(8)
            path.write_bytes(mutated)
            try:
                loaded = load_arrays(path)
                for key in loaded if name == "a.npz" else ():
                    loaded[key]
            except ValueError as error:
                assert str(path) in str(error) and "\n" not in str(error)


def test_checksums_are_the_last_word(tmp_path):
    """zlib's own end is whole here; only the archive's checksum tells that a value is not the one written."""
    values = npy_bytes(np.arange(8, dtype=np.uint8))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", values)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[content.index(values) + len(values) - 1] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    refused(lambda: load_arrays(tmp_path / "a.npz")["images"], tmp_path / "a.npz", "CRC")


# Locks

HOLDER = """
import sys
from pathlib import Path
from files.locks import locked_folder
with locked_folder(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_is_held_by_one_process_and_is_gone_when_that_is_killed(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    holder = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(FolderIsLocked), locked_folder(tmp_path, wait=False):
        pass
    holder.kill()
    holder.communicate()
    with locked_folder(tmp_path, wait=False):
        pass


def test_a_link_in_the_place_of_a_lock_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("all of it")
    (tmp_path / LOCK_NAME).symlink_to("precious")
    with pytest.raises(OSError), locked_folder(tmp_path, wait=False):
        pass
    assert (tmp_path / "precious").read_text() == "all of it"
