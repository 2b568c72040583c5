"""How settings are checked: every complaint in one error, in one form.

Place in the house: foundation.  Complaints come in from the ``__post_init__`` of a settings class; nothing
goes out, or one ``SettingsError`` that lists them all, so that the user corrects them in one go.

Not here: settings themselves (``config.py`` holds the values, each room its classes).
"""

from collections.abc import Iterable, Iterator

from desk.errors import SettingsError


def check_settings(subject: str, problems: Iterable[str]) -> None:
    """Raise all ``problems`` of the settings of ``subject`` together, if there are any.

    Raises
    ------
    SettingsError
        ``subject: first problem; second problem``.
    """
    if found := list(problems):
        raise SettingsError(f"{subject}: " + "; ".join(found))


def outside(settings: object, name: str, least: float, most: float, *, unit: str = "") -> Iterator[str]:
    """Complain if the number ``settings.name`` is not from ``least`` to ``most``, both included.

    Parameters
    ----------
    settings : object
        The settings that hold it.
    name : str
        Name of the setting.
    least, most : float
        Bounds.
    unit : str
        Of the bounds, for the message: "seconds".
    """
    value = getattr(settings, name)
    if not least <= value <= most:
        yield f"{name} is {value}, must be between {least} and {most}{f' {unit}' if unit else ''}"


def outside_above(settings: object, name: str, least: float, most: float, *, unit: str = "") -> Iterator[str]:
    """Complain if the number ``settings.name`` is not above ``least``, or is above ``most``.

    Parameters
    ----------
    settings, name, least, most, unit
        As those of ``outside``; ``least`` itself is not allowed.
    """
    value = getattr(settings, name)
    if not least < value <= most:
        yield f"{name} is {value}, must be above {least} and at most {most}{f' {unit}' if unit else ''}"
