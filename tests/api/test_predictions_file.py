"""What an evaluation leaves is hostile until it is proved harmless."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ambs_hpc.api.kept_files import predictions_file
from ambs_hpc.api.kept_files.predictions_file import PredictionsUnusable, read_predictions

SAID, LABELS = np.full((3, 2), 0.5, dtype=np.float32), np.array([0, 1, 1])
BOTH = {"validation": SAID, "validation_labels": LABELS}


class Trap:
    """Unpickled, it leaves a file."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(tmp_path: Path, save: object) -> None:
    """Both forms, with arrays of one's own beside them."""
    file = tmp_path / "predictions.npz"
    save(file, **BOTH, test=SAID.astype("f2"), test_labels=[True, False, True], more=[1])  # type: ignore[operator]
    found = read_predictions(file)
    assert found.test is not None
    assert found.test_labels is not None
    assert np.array_equal(found.validation, SAID)
    assert [one.dtype.str for one in (found.validation, found.test, found.test_labels)] == [
        "<f4",
        "<f4",
        "<i8",
    ]
    assert read_predictions(file, with_test=False).test is None


UNUSABLE: list[tuple[dict[str, object], str]] = [
    ({"validation": SAID}, "has no array 'validation_labels'"),
    ({**BOTH, "test": SAID}, "has no array 'test_labels'"),
    ({**BOTH, "validation_labels": LABELS[:2]}, "validation has 3 rows and validation_labels 2"),
    ({**BOTH, "validation": SAID[None]}, "has the shape (1, 3, 2)"),
    ({**BOTH, "validation": SAID * np.nan}, "values that are not finite"),
    ({**BOTH, "validation": SAID.astype("f8") * 1e300}, "values beyond 1e+100"),
    ({**BOTH, "validation_labels": LABELS * -1e300}, "values beyond 1e+100"),
    ({**BOTH, "validation": SAID[:0], "validation_labels": LABELS[:0]}, "n >= 1"),
    ({**BOTH, "validation": np.array(["a"])}, "holds <U1, not numbers"),
    ({**BOTH, "validation": np.array([Trap()], dtype=object)}, "holds object, not numbers"),
]


@pytest.mark.parametrize(("arrays", "words"), UNUSABLE)
def test_unusable_arrays_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrays: dict[str, object], words: str
) -> None:
    """With what they are; and nothing is unpickled."""
    monkeypatch.chdir(tmp_path)
    np.savez("predictions.npz", **arrays)
    with pytest.raises(PredictionsUnusable) as caught:
        read_predictions(Path("predictions.npz"))
    assert words in str(caught.value)
    assert not Path("trapped").exists()


def npy(shape: str, content: bytes = b"") -> bytes:
    """An array file whose header says that shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + content


def zipped(content: bytes, *, times: int = 1, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("validation.npy", content)
        archive.writestr("validation_labels.npy", npy("(3,)", bytes(12)))
        for number in range(times - 1):
            archive.writestr(str(number), b"")
    return out.getvalue()


HOSTILE = [
    (b"", "is no .npz file"),
    (pickle.dumps(Trap()), "is no .npz file"),
    (zipped(npy("(3,)", bytes(12)))[:-30], "is no .npz file"),
    (zipped(npy("(10**12,)")), "cannot be read as an .npz file"),
    (zipped(npy("(1000000000000,)")), "validation is cut off"),
    (zipped(npy("(-3,)", bytes(12))), "validation is cut off"),
    (zipped(npy("(3,)", bytes(12)), method=zipfile.ZIP_LZMA), "in a way that numpy does not write"),
    (zipped(npy("(3,)", bytes(12)), times=3000), "holds too many arrays"),
    (zipped(npy("(3,)", bytes(12))).replace(b"NUMPY", b"NUMMY"), "cannot be read as an .npz file"),
    (zipped(b"\x93NUMPY\x09\x00"), "is of version (9, 0)"),
]


@pytest.mark.parametrize("shape", ["(True, 2)", "(2, ", "(2\\", "(2,) 'a'", "((2,), 2)", "('a',)", "{2: []}"])
def test_whatever_a_header_says_costs_this_file_alone(tmp_path: Path, shape: str) -> None:
    """numpy parses it as Python: an error of any kind must not end the command for the other evaluations."""
    file = tmp_path / "predictions.npz"
    file.write_bytes(zipped(npy(shape, SAID.tobytes())))
    with pytest.raises(PredictionsUnusable):
        read_predictions(file)


@pytest.mark.parametrize(("content", "words"), HOSTILE)
def test_hostile_files_do_no_harm(tmp_path: Path, content: bytes, words: str) -> None:
    """No memory for what is only claimed, no crash."""
    file = tmp_path / "predictions.npz"
    file.write_bytes(content)
    with pytest.raises(PredictionsUnusable) as caught:
        read_predictions(file)
    assert words in str(caught.value)


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a large file nor a small one that unpacks to a large one."""
    monkeypatch.setattr(predictions_file, "LARGEST_BYTES", 2000)
    file = tmp_path / "predictions.npz"
    for content, words in (
        (bytes(3000), "has 3000 bytes, more than 2000"),
        (None, "holds more than 2000 bytes"),
    ):
        if content is None:
            np.savez_compressed(file, validation=np.zeros(5000), validation_labels=np.zeros(5000))
        else:
            file.write_bytes(content)
        with pytest.raises(PredictionsUnusable, match=words):
            read_predictions(file)


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """A pipe would block for ever, a link leads to other people's files."""
    np.savez(tmp_path / "real.npz", **BOTH)
    (tmp_path / "link").symlink_to(tmp_path / "real.npz")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(PredictionsUnusable):
            read_predictions(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_predictions(tmp_path / "nothing.npz")
