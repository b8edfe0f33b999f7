"""Compressed DICOM pixels, decoded in a process apart.

GDCM, the one decoder of lossless JPEG and JPEG-LS here, ends the process that
it runs in on many a damaged stream (SIGABRT, SIGSEGV). So it runs in one of its
own, which is kept for the next film, is started anew where it ended, and may
neither take long nor much memory. This file is its program, too.
"""

import atexit
import contextlib
import json
import os
import struct
import subprocess
import sys
import threading

PATIENCE = 60
"""Seconds after which a film cannot be decoded."""

MOST_MEMORY = 1_000_000_000
"""Bytes that the process may fill (on Linux; elsewhere what a film declares is the only limit)."""

_lock = threading.Lock()
_process: subprocess.Popen | None = None


def decode_apart(data: bytes) -> tuple[bytes, str, tuple[int, ...]]:
    """Return the bytes, dtype and shape of pydicom's ``pixel_array`` of a DICOM file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Raises
    ------
    ValueError
        It could not be decoded; the message is the kind of error alone, for
        pydicom's own may repeat what the header says of the patient.
    """
    with _lock:
        process = _started()
        clock = threading.Timer(PATIENCE, process.kill)
        clock.start()
        try:
            process.stdin.write(struct.pack(">Q", len(data)))
            process.stdin.write(data)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            pixels = process.stdout.read(answer["bytes"])
            if len(pixels) < answer["bytes"]:
                raise OSError
        except BaseException as error:  # an interrupt too, for the rest of this answer must not be the next film's
            _stop(process)
            if not isinstance(error, OSError | ValueError):
                raise
            raise ValueError(f"its decoder broke down, or took more than {PATIENCE} s") from None
        finally:
            clock.cancel()
    if "error" in answer:
        raise ValueError(answer["error"])
    return pixels, answer["dtype"], tuple(answer["shape"])


def _started() -> subprocess.Popen:
    global _process
    if _process is None or _process.poll() is not None:
        quiet = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # each thread would reserve memory
        _process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | quiet,
        )
    return _process


def _stop(process: subprocess.Popen) -> None:
    process.kill()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(OSError):  # what was not yet written cannot be
        process.stdin.close()


def _close() -> None:
    if _process is not None:
        _stop(_process)


def _forget() -> None:
    """After a fork: that process is the parent's, and two cannot share its pipes."""
    global _process, _lock
    if _process is not None:
        _process.returncode = 0  # not ours to wait for
        for pipe in (_process.stdin, _process.stdout):
            with contextlib.suppress(OSError):
                pipe.close()
    _process, _lock = None, threading.Lock()


def _serve() -> None:
    """Decode what comes through standard input, until it is closed."""
    import io
    import logging
    import warnings

    import pydicom

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what compiled code prints must not come among the answers
    warnings.simplefilter("ignore")
    logging.disable()
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while head := sys.stdin.buffer.read(8):
        data = sys.stdin.buffer.read(struct.unpack(">Q", head)[0])
        try:
            array = pydicom.dcmread(io.BytesIO(data)).pixel_array
            pixels, answer = array.tobytes(), {"dtype": array.dtype.str, "shape": array.shape}
        except Exception as error:  # pydicom raises many kinds for broken files
            pixels, answer = b"", {"error": type(error).__name__}
        answers.write(json.dumps(answer | {"bytes": len(pixels)}).encode() + b"\n")
        answers.write(pixels)
        answers.flush()
        del data, pixels


if __name__ == "__main__":
    _serve()
else:
    atexit.register(_close)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)
