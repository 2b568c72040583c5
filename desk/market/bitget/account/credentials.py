"""What a mode of trading needs of the environment.

Place in the house: between the environment and the signed client.  A mode and the variables come in;
``Credentials`` go out, or everything that is missing, by name: no value is in any message.
"""

from collections.abc import Mapping

from desk.errors import SettingsError
from desk.market.bitget.account.signing import Credentials


def credentials_for(mode: str, environ: Mapping[str, str]) -> Credentials | None:
    """What the mode needs: nothing for paper, else an API key, for real money BITGET_LIVE=yes besides.

    Raises
    ------
    SettingsError
        With everything that is missing, by name; no value ever.
    """
    if mode == "paper":
        return None
    problems = []
    if mode == "live" and environ.get("BITGET_LIVE") != "yes":
        problems.append("--mode live trades real money: set BITGET_LIVE=yes in the environment to mean it")
    try:
        credentials = credentials_from(environ)
    except SettingsError as exc:
        where = "at Bitget under API management" + (", inside demo mode" if mode == "demo" else "")
        problems.append(f"{exc}. A key is made {where}; --mode paper needs none")
    if problems:
        raise SettingsError("; ".join(problems))
    return credentials


def credentials_from(environ: Mapping[str, str]) -> Credentials:
    """Read the API key; all missing or malformed variables are reported at once by name, no value ever."""
    names = ("BITGET_API_KEY", "BITGET_API_SECRET", "BITGET_API_PASSPHRASE")
    if missing := [name for name in names if not environ.get(name, "").strip()]:
        raise SettingsError(f"not set in the environment: {', '.join(missing)}")
    key, secret, passphrase = values = [environ[name].strip() for name in names]
    if odd := [name for name, value in zip(names, values, strict=True) if not value.isprintable()]:
        raise SettingsError(
            f"{', '.join(odd)} in the environment holds a line break or another character that no key has: "
            "copy it again, without what stands around it"
        )
    return Credentials(key, secret, passphrase)
