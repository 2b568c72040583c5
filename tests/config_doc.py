"""The page of all settings, written from the classes that check them and the values of ``config.py``.

``python -m tests.config_doc`` (``make docs``) writes ``docs/config.md``; a test holds it against the source.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from pathlib import Path
from types import UnionType
from typing import Literal, get_args, get_origin, get_type_hints

import config
from desk.settings_files import DERIVED
from tests.house import HOUSE

PAGE = HOUSE / "docs" / "config.md"
WIDTH = 100
HEAD = """# Settings

Written by `make docs` from the classes that check the settings and from the values of `config.py`;
change those, not this page. A setting is named as `--print-config` shows it, which prints the
values in force and where each is from. `config_local.py` beside `config.py`, or the file that
`DESK_CONFIG` names, sets them by section:

```python
fetch = {"days": 365}
learn = {"n_trials": 100, "trading": {"stop_loss": 0.03}}
risk = {"leverage": 2}
N_JOBS = 4
```

Fractions are fractions: 0.002 means 0.2 %. Folders are given from the root of the checkout. A value
of a wrong type, or out of its bounds, ends a command with status 2 before anything is started, and
the message says what is allowed. Beside the settings there are variables of the environment:
`BITGET_BASE_URL` and `N_JOBS` win over the values below; `BITGET_LIVE`, `BITGET_API_KEY`,
`BITGET_API_SECRET` and `BITGET_API_PASSPHRASE` open an account; `NOTIFY_WEBHOOK`, `TELEGRAM_TOKEN`
and `TELEGRAM_CHAT` say who is notified; `HTTPS_PROXY` leads through a proxy.
"""


KINDS: Mapping[object, str] = {
    bool: "True or False",
    int: "whole number",
    float: "number",
    Decimal: "number",
    str: "text",
    Path: "folder",
    type(None): "None",
}


def sections() -> dict[str, object]:
    """The settings by section, as an own file names them; "" holds those of the top level."""
    training = config.default_settings({})
    live = config.live_settings(training.max_model_age_days)
    found: dict[str, object] = {"": training}
    for part in (training, live):
        found |= {
            one.name: getattr(part, one.name) for one in fields(part) if is_dataclass(getattr(part, one.name))
        }
    found["link"] = config.link_settings("paper", base_url=config.BITGET, ws_url="")
    found["stream"] = config.stream_settings(1)
    return found


def meanings(kind: type) -> Mapping[str, str]:
    """What the fields of a settings class mean, as its source says below each."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for node, following in zip(tree.body, [*tree.body[1:], ast.Pass()], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            text = ""
            if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
                text = " ".join(str(following.value.value).split())
            found[node.target.id] = text
    return found


def kind_text(hint: object) -> str:
    """What a setting takes, in words."""
    if get_origin(hint) is Literal:
        return " or ".join(f'`"{choice}"`' for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return f"several: {kind_text(get_args(hint)[0])}"
    if isinstance(hint, UnionType):
        return " or ".join(kind_text(one) for one in get_args(hint))
    return KINDS[hint]


def value_text(value: object) -> str:
    """A value as one writes it in an own file; a folder from the root of the checkout."""
    if isinstance(value, Path):
        return f'Path("{value.relative_to(HOUSE)}")'
    if isinstance(value, Decimal):
        return str(value)
    return repr(value).replace("'", '"')


def entries(settings: object, prefix: str) -> Iterator[str]:
    """A list entry for each setting of one class; parts of it that are classes follow in sections."""
    hints = get_type_hints(type(settings))
    for name, meaning in meanings(type(settings)).items():
        dotted, value = f"{prefix}{name}", getattr(settings, name)
        if is_dataclass(value):
            continue
        if dotted in DERIVED:
            text = f"`{dotted}` follows {DERIVED[dotted]}: {meaning}"
        else:
            text = f"`{dotted}` = `{value_text(value)}` ({kind_text(hints[name])})"
            text += f": {meaning}" if meaning else ""
        plain = re.sub(r"``(.+?)``", r"`\1`", text)
        yield textwrap.fill(
            plain,
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def section(name: str, settings: object) -> Iterator[str]:
    """Heading, what the class says of itself, its settings; then the sections inside it."""
    prefix = f"{name}." if name else ""
    title = f"## {name or 'Top level'}" if "." not in name else f"### {name}"
    about = inspect.cleandoc(type(settings).__doc__ or "").partition("\n\n")[0]
    about = re.sub(r"``(.+?)``", r"`\1`", " ".join(about.split()))
    yield "\n\n".join((title, textwrap.fill(about, WIDTH), "\n".join(entries(settings, prefix))))
    for one in fields(settings) if name else ():  # type: ignore[arg-type]
        if is_dataclass(part := getattr(settings, one.name)):
            yield from section(f"{prefix}{one.name}", part)


def page() -> str:
    """The whole page."""
    parts = [text for name, settings in sections().items() for text in section(name, settings)]
    return "\n\n".join((HEAD.rstrip(), *parts)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(HOUSE)} is written\n")
