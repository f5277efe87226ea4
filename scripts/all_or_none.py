"""Remove compiled modules if some could not be built: they call each other directly, and cannot call interpreted ones.

usage: python scripts/all_or_none.py        (in the project's folder, after the installation)
Exit status: 0, all were built; 1, some or all were not.
"""

import sys
import tomllib
from pathlib import Path

EXTENSIONS = tomllib.loads(Path("pyproject.toml").read_text())["tool"]["setuptools"]["ext-modules"]


def main() -> int:
    """See above."""
    sources = [Path(each["sources"][0]) for each in EXTENSIONS if not each["name"].startswith("forest.")]
    built = {source: [*source.parent.glob(f"{source.stem}.*.so")] for source in sources}
    missing = [str(source) for source, files in built.items() if not files]
    if not missing or not any(built.values()):
        return int(bool(missing))
    sys.stderr.write(f"setup: {', '.join(missing)} could not be compiled: all such modules will be interpreted\n")
    for files in built.values():
        for path in files:
            path.unlink()
    return 1


if __name__ == "__main__":
    sys.exit(main())
