"""What a C compiler builds at installation, where there is one."""

from types import ModuleType


def native() -> tuple[ModuleType, ModuleType]:
    """Import the kernel and the layout; late, for without them the other engines still serve.

    Raises:
        ImportError: they were not built.
    """
    try:
        from forest import _kernel, _layout
    except ImportError as error:
        raise ImportError(
            "the forest kernel is not built; it needs a C compiler (Debian: apt-get install gcc python3-dev) when "
            f"`make setup` installs Canopy ({error})"
        ) from error
    return _kernel, _layout
