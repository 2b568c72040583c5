"""What a model was made with.  A service."""

import platform
from importlib.metadata import version

VERSION = "0.1.0"
"""Of this suite."""
_LIBRARIES = ("lightgbm", "optuna", "numpy", "pandas", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of the suite, of Python and of the libraries that shape a model, and the kind of machine."""
    return {
        "suite": VERSION,
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        "machine": f"{platform.system()} {platform.machine()}",
    }
