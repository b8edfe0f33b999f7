"""Read one chest radiograph in DICOM.

This package imports pydicom and its decoders only from where packages are installed.
pydicom tries to import decoders that may be installed, and python-gdcm tries to import
``dl``, a module of Python 2. Python would also import a folder of such a name beside a
notebook. Then pydicom would take the folder for the decoder, and fail.
"""

import site
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOREIGN_MODULES = ("dl", "DLFCN")
"""Modules that python-gdcm imports if it can, and that no system has had since Python 3."""


@contextmanager
def installed_packages_only() -> Iterator[None]:
    """Let the block import only Python's own modules and installed packages.

    Modules that are already imported stay, except those of `FOREIGN_MODULES`.
    """
    everywhere = sys.path[:]
    hidden = {name: sys.modules[name] for name in FOREIGN_MODULES if name in sys.modules}
    installed = [*sysconfig.get_paths().values(), *site.getsitepackages(), site.getusersitepackages()]
    folders = [Path(folder).resolve() for folder in installed]
    sys.path[:] = [entry for entry in sys.path if entry and _is_below(Path(entry).resolve(), folders)]
    sys.modules.update(dict.fromkeys(FOREIGN_MODULES))  # type: ignore[arg-type]  # None: it cannot be imported
    try:
        yield
    finally:
        sys.path[:] = everywhere
        for name in FOREIGN_MODULES:
            del sys.modules[name]
        sys.modules.update(hidden)


def _is_below(entry: Path, folders: list[Path]) -> bool:
    """Return whether an entry is one of the folders, or Python's folder of compiled modules, or its zip file."""
    return (
        entry in folders
        or entry.name in ("lib-dynload", "DLLs")
        or (entry.suffix == ".zip" and entry.parent.name == "lib")
    )


if "pydicom" not in sys.modules:
    # Without pydicom there, it is installed in an unusual way: then it is imported as usual
    with suppress(ModuleNotFoundError), installed_packages_only():
        import pydicom.pixels.decoders  # noqa: F401
