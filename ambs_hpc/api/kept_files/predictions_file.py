"""The file in which an evaluation leaves what its model predicts; whatever it holds is read without harm."""

from __future__ import annotations

import math
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "predictions.npz"
LARGEST_BYTES = 2**28  # of a file, and of what is read from it
LARGEST_DIRECTORY_BYTES = 2**16  # of its list of contents: a thousand arrays
END = struct.Struct("<4s4H2LH")  # of a zip file: the record at its end, where it has no comment
END_MARK, ZIP64_MARK, ZIP64_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20
LARGEST_NUMBER = 1e100  # its square is finite still, and sums of these
NO_FILE = (OSError, EOFError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error)
# numpy reads a header as a Python literal, if need be token by token: that raises whatever Python does.
NO_HEADER = (ValueError, TypeError, LookupError, ArithmeticError, SyntaxError, tokenize.TokenError)
BROKEN = (*NO_FILE, *NO_HEADER)


class PredictionsUnusable(Exception):
    """The file cannot be used; the message says why, without the file's name."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What the model of an evaluation predicts.

    Args:
        validation: (n,) or (n, outputs), finite.
        validation_labels: whole numbers, or floats, of n examples.
        test, test_labels: the same of other examples; None where the file has none.
    """

    validation: NDArray[Any]
    validation_labels: NDArray[Any]
    test: NDArray[Any] | None = None
    test_labels: NDArray[Any] | None = None


def read_predictions(file: Path, *, with_test: bool = True) -> Predictions:
    """What the file says.

    It holds the arrays `validation` and `validation_labels`, and perhaps `test` and `test_labels`, as
    `numpy.savez` and `savez_compressed` write them; others are ignored. Nothing is unpickled, no link or
    device is followed, and no more than LARGEST_BYTES are read, whatever the file claims.

    Args:
        with_test: False leaves `test` and `test_labels` unread.

    Raises:
        FileNotFoundError: there is no such file.
        PredictionsUnusable: says what is wrong with it.
    """
    try:
        with os.fdopen(_opened(file), "rb") as stream:
            _check_end(stream)
            with zipfile.ZipFile(stream) as archive:
                return _predictions(archive, with_test)
    except FileNotFoundError:
        raise
    except MemoryError as error:
        raise PredictionsUnusable("is larger than the memory that is left") from error
    except BROKEN as error:
        raise PredictionsUnusable(
            f"cannot be read as an .npz file: {error or type(error).__name__}"
        ) from error


def _opened(file: Path) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and status.st_size <= LARGEST_BYTES:
        return descriptor
    os.close(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise PredictionsUnusable("is not a regular file")
    raise PredictionsUnusable(
        f"has {status.st_size} bytes, more than {LARGEST_BYTES}: keep fewer examples, or float32"
    )


def _check_end(stream: IO[bytes]) -> None:
    """Raise unless the list of contents is short: zipfile would make an object of each entry."""
    size = stream.seek(0, os.SEEK_END)
    length = min(size, END.size + ZIP64_BYTES)
    stream.seek(size - length)
    tail = stream.read(length)
    if len(tail) < END.size or tail[-END.size :][:4] != END_MARK:
        raise PredictionsUnusable("is no .npz file: write it with numpy.savez")
    directory_bytes = END.unpack(tail[-END.size :])[5]
    if directory_bytes > LARGEST_DIRECTORY_BYTES or tail.startswith(ZIP64_MARK):
        raise PredictionsUnusable("holds too many arrays")


def _predictions(archive: zipfile.ZipFile, with_test: bool) -> Predictions:
    names = {name.removesuffix(".npy") for name in archive.namelist()}
    for needed in ("validation", "validation_labels"):
        if needed not in names:
            held = ", ".join(sorted(names)[:10]) or "nothing"
            raise PredictionsUnusable(f"has no array {needed!r} (it has {held[:200]})")
    if ("test" in names) != ("test_labels" in names):
        missing = "test_labels" if "test" in names else "test"
        raise PredictionsUnusable(f"has no array {missing!r}, which belongs to the other of the two")
    wanted = ["validation", "test"] if with_test and "test" in names else ["validation"]
    arrays = {}
    budget = LARGEST_BYTES
    for part in wanted:
        for name in (part, f"{part}_labels"):
            arrays[name] = _array(archive, f"{name}.npy", budget)
            budget -= arrays[name].nbytes
        _check_pair(part, arrays[part], arrays[f"{part}_labels"])
    test = [arrays.get("test"), arrays.get("test_labels")]
    return Predictions(
        _said(arrays["validation"]),
        _labels(arrays["validation_labels"]),
        None if test[0] is None else _said(test[0]),
        None if test[1] is None else _labels(test[1]),
    )


def _array(archive: zipfile.ZipFile, name: str, budget: int) -> NDArray[Any]:
    """One array; what its header says of its size is compared with what is there before room is made."""
    import numpy as np
    from numpy.lib import format as npy

    entry = archive.getinfo(name)
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise PredictionsUnusable(f"{name} is compressed in a way that numpy does not write")
    if entry.file_size > budget:
        raise PredictionsUnusable(f"holds more than {LARGEST_BYTES} bytes: keep fewer examples, or float32")
    with archive.open(entry) as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise PredictionsUnusable(f"{name} is of version {version}, which numpy writes for no numbers")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read_header(stream)
    if dtype.hasobject or dtype.kind not in "fiub":
        raise PredictionsUnusable(f"{name.removesuffix('.npy')} holds {dtype}, not numbers")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > entry.file_size:
        raise PredictionsUnusable(f"{name.removesuffix('.npy')} is cut off")
    with archive.open(entry) as stream:
        return np.asarray(npy.read_array(stream, allow_pickle=False))


def _check_pair(part: str, said: NDArray[Any], labels: NDArray[Any]) -> None:
    import numpy as np

    if said.ndim not in (1, 2) or labels.ndim not in (1, 2) or not said.size:
        raise PredictionsUnusable(
            f"{part} has the shape {said.shape} and its labels {labels.shape}: "
            "give (n,) or (n, outputs), n >= 1"
        )
    if len(said) != len(labels):
        raise PredictionsUnusable(f"{part} has {len(said)} rows and {part}_labels {len(labels)}")
    if not (np.isfinite(said).all() and np.isfinite(labels).all()):
        raise PredictionsUnusable(f"{part} or its labels have values that are not finite")
    if any(max(-float(one.min()), float(one.max())) > LARGEST_NUMBER for one in (said, labels)):
        raise PredictionsUnusable(f"{part} or its labels have values beyond {LARGEST_NUMBER:g}")


def _said(array: NDArray[Any]) -> NDArray[Any]:
    """Predictions as floats of four bytes, or of eight where they were kept so."""
    return array.astype("f8" if array.dtype.itemsize > 4 else "f4")


def _labels(array: NDArray[Any]) -> NDArray[Any]:
    """Labels as whole numbers, or as floats where they are floats."""
    return array.astype("f8" if array.dtype.kind == "f" else "i8")
