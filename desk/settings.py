"""How settings are checked: every complaint in one error, in one form.

Place in the house: foundation.  A settings class calls ``check_settings`` in its ``__post_init__``; nothing
goes out, or one ``SettingsError`` that lists all complaints, so that the user corrects them in one go.

Not here: settings themselves (``config.py`` holds the values, each room its classes), and what the types of
fields are compared with (``desk.typed_fields``).
"""

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass

from desk.errors import SettingsError
from desk.typed_fields import fit_fields


def check_settings(subject: str, settings: object, problems: Iterable[str]) -> None:
    """Raise everything that is wrong with ``settings`` together, if anything is.

    Parameters
    ----------
    subject : str
        What they are the settings of, for the message.
    settings : object
        Instance of a frozen dataclass; its fields are compared with their annotations first, and numbers of
        another kind are converted where that is exact.
    problems : iterable of str
        Complaints about its values, each beginning with the name of a field.

    Raises
    ------
    SettingsError
        ``subject: first problem; second problem``.
    """
    found = list(fit_fields(settings))
    wrong = {complaint.partition(" ")[0] for complaint in found}
    try:
        found.extend(one for one in problems if one.partition(" ")[0] not in wrong)
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError):
        if not wrong:
            raise  # a mistake of the check; else it met a field of another type, which is complained of
    if found:
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


def leaves(settings: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every value of ``settings`` with its dotted name: ``learn.trading.stop_loss``."""
    for field in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, field.name)
        if is_dataclass(value):
            yield from leaves(value, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value
