"""Decode compressed DICOM pixels in child processes.

GDCM decodes lossless JPEG and JPEG-LS. On damaged data it often ends the process
that it runs in (SIGABRT, SIGSEGV). So it runs in a child process, which has a limit
of time and, on Linux, a limit of memory. The child is kept for the next film. A new
one is started when it has ended. Several threads may decode at a time: each uses a
child of its own, and there are at most as many children as processor cores.

This file is also the child's program. Parent and child exchange blocks of bytes: an
8-byte length, then that many bytes. The parent sends a DICOM file. The child answers
with an array in the .npy format: the pixels, or the name of an error as text. The
parent never unpickles what the child sends, because a damaged file may have corrupted
the child. A process pool such as joblib's would unpickle it. It also imports modules
from the current folder, and leaves its workers behind when the parent is killed. The
child imports only installed packages, because python-gdcm tries to import modules
that a user's folder may be named after.
"""

import atexit
import contextlib
import importlib.util
import io
import logging
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import IO

import numpy as np

TIME_LIMIT = 60
"""Seconds that one film may take. It is our choice: a film of normal size takes much less than one second."""

MEMORY_LIMIT = 1_000_000_000
"""Bytes that the child may use, on Linux. Elsewhere the size that a film declares is the only limit."""

START = "import runpy, sys; sys.path += sys.argv[2:]; runpy.run_path(sys.argv[1], run_name='__main__')"
"""The child's first lines of Python. They add the folders where the decoders are installed to its search path."""

_children: list[subprocess.Popen[bytes]] = []
"""All children that were started and not stopped."""

_idle: list[subprocess.Popen[bytes]] = []
"""Those that wait for a film. Threads take from the end of the list, so only as many children work as are needed."""

_places = threading.BoundedSemaphore(os.cpu_count() or 1)


def decode_in_child(data: bytes) -> np.ndarray:
    """Return pydicom's ``pixel_array`` of a DICOM file, decoded in a child process.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    ndarray, (H, W) or (H, W, 3), of 8 or 16 bits

    Raises
    ------
    ValueError
        The file cannot be decoded. The message is only the kind of error, because
        pydicom's own message may repeat what the header says about the patient.
    """
    with _places:
        child = _take_child()
        assert child.stdin is not None  # both are pipes
        assert child.stdout is not None
        timer = threading.Timer(TIME_LIMIT, child.kill)
        timer.start()
        try:
            _send(child.stdin, data)
            answer = np.load(io.BytesIO(_receive(child.stdout)), allow_pickle=False)
        except BaseException as error:
            # Also after KeyboardInterrupt: otherwise the rest of this answer would be read as the next film's answer.
            _stop(child)
            if not isinstance(error, OSError | EOFError | ValueError):
                raise
            fault = f"took more than {TIME_LIMIT} s" if timer.finished.is_set() else "crashed"
            raise ValueError(f"the decoder {fault}") from None
        finally:
            timer.cancel()
        _idle.append(child)
    if answer.dtype.kind == "U":
        raise ValueError(str(answer))
    return answer


def stop_children() -> None:
    """End the child processes, if there are any. The next film starts a new one."""
    for child in _children[:]:
        _stop(child)


def _stop(child: subprocess.Popen[bytes]) -> None:
    for children in (_children, _idle):
        with contextlib.suppress(ValueError):  # it is not in the list
            children.remove(child)
    with contextlib.suppress(OSError), child:  # closing a pipe fails if it still holds bytes for the child
        child.kill()


def _take_child() -> subprocess.Popen[bytes]:
    """Return a child that waits for a film, or a new one."""
    while _idle:
        child = _idle.pop()
        if child.poll() is None:
            return child
        _stop(child)  # closes the pipes of a child that has ended
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # each thread would reserve memory
    child = subprocess.Popen(
        # -I: import no modules from the current folder, from this file's folder, or from PYTHONPATH
        [sys.executable, "-I", "-c", START, __file__, *_package_folders()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # GDCM's messages may quote the header
        env=os.environ | one_thread,
        process_group=0,  # Ctrl-C must not end the decoder of a film whose row is still to be written
    )
    _children.append(child)
    return child


def _package_folders() -> list[str]:
    """Return the folders that the child's packages are installed in."""
    specs = [importlib.util.find_spec(name) for name in ("numpy", "pydicom", "gdcm")]
    files = [Path(spec.origin) for spec in specs if spec is not None and spec.origin]
    return sorted({str(file.parent if file.stem == "gdcm" else file.parent.parent) for file in files})


def _send(stream: IO[bytes], block: bytes | memoryview) -> None:
    stream.write(len(block).to_bytes(8, "big"))
    stream.write(block)
    stream.flush()


def _receive(stream: IO[bytes]) -> bytes:
    length = int.from_bytes(stream.read(8), "big")
    block = stream.read(length)
    if not block or len(block) < length:
        raise EOFError
    return block


def _forget_after_fork() -> None:
    """Let a forked process start its own children: two processes cannot use the same pipes."""
    global _places
    for child in _children:
        child.returncode = 0  # the child belongs to the parent process: with this, only the pipes are closed
    stop_children()
    _places = threading.BoundedSemaphore(os.cpu_count() or 1)  # another thread may have held a place during the fork


def _serve() -> None:
    """Decode the files that come through standard input, until it is closed."""
    import pydicom  # only the child needs it here

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # output of compiled code must not mix with the answers
    warnings.simplefilter("ignore")
    logging.disable()
    if sys.platform == "linux":
        import resource  # only Unix has it

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a memory dump would hold the film
    with contextlib.suppress(EOFError):
        while data := _receive(sys.stdin.buffer):
            try:
                answer = pydicom.dcmread(io.BytesIO(data)).pixel_array
            except Exception as error:  # pydicom raises many kinds of error for broken files
                answer = np.array(type(error).__name__)
            block = io.BytesIO()
            np.save(block, answer, allow_pickle=False)
            _send(answers, block.getbuffer())
            del data, answer, block  # their memory is free for the next film


if __name__ == "__main__":
    _serve()
else:
    atexit.register(stop_children)
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=_forget_after_fork)
