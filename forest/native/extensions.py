"""What a C compiler builds at installation, where there is one; imported late, for without it other engines serve."""

from types import ModuleType


def native() -> tuple[ModuleType, ModuleType]:
    """Import the kernel and the layout.

    Raises:
        ImportError: they were not built.
    """
    try:
        from forest.native import _kernel, _layout
    except ImportError as error:
        raise _not_built(error) from error
    return _kernel, _layout


def links() -> ModuleType:
    """Import the loops of link functions.

    Raises:
        ImportError: they were not built.
    """
    try:
        from forest.native import _links
    except ImportError as error:
        raise _not_built(error) from error
    return _links


def _not_built(error: ImportError) -> ImportError:
    return ImportError(
        "the forest kernel is not built; it needs a C compiler (Debian: apt-get install gcc python3-dev) when "
        f"`make setup` installs Canopy ({error})"
    )
