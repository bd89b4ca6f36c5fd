"""Install a lock file into a virtual environment of an image: exact hashes, no leftovers, compiled once.

Runs with the base image's own Python before any package is there, so it needs the standard library only.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["main"]


def main(venv: Path, lock: Path) -> None:
    """Fill `venv` with what `lock` names; CalledProcessError when pip refuses."""
    install(venv, lock)
    for folder in (venv / "lib").glob("python3*/site-packages"):
        strip(folder)
        compileall.compile_dir(folder, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


def install(venv: Path, lock: Path) -> None:
    """Let the base image's pip install wheels only: an archive that runs code to build itself is refused."""
    options = ["--no-compile", "--require-hashes", "--only-binary=:all:", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
    subprocess.run([*pip, "install", *options, "--requirement", str(lock)], check=True)


def strip(site_packages: Path) -> None:
    """Remove the packages' own tests and the sources they were built from, which nothing needs at run time."""
    for folder in sorted(site_packages.glob("**/tests")):
        if folder.is_dir():
            shutil.rmtree(folder)
    for source in (*site_packages.glob("**/*.cpp"), *site_packages.glob("**/*.h")):
        source.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
