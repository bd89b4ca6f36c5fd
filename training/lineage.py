"""Where a model comes from, in words that the same job on the same machine always repeats."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

__all__ = ["ROOT", "lineage"]

LIBRARIES = ("numpy", "scikit-learn", "pyarrow")
ROOT = Path(__file__).resolve().parents[1]


def lineage(*, source: str, digest: str, rows: int, train_rows: int, seed: int) -> dict[str, str | int | None]:
    """Name the data, the seed, the code and the libraries; nothing here depends on the time or the folder."""
    versions = {f"{name}_version": metadata.version(name) for name in LIBRARIES}
    return {
        "source": source,
        "data_sha256": digest,
        "rows": rows,
        "train_rows": train_rows,
        "seed": seed,
        "code_revision": _revision(),
        "python_version": platform.python_version(),
        **versions,
    }


def _revision() -> str | None:
    """Return the commit of the project's own checkout; an image, which has none, can say it by GANGLION_REVISION."""
    if not (ROOT / ".git").exists():
        return os.environ.get("GANGLION_REVISION") or None
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603 - fixed
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None
