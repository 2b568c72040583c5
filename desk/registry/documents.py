"""JSON documents of the models directory, each checked against its schema when written and when read.

Place in the house: a service.  The schemas are package data, in ``desk/schemas``.

Not here: where the documents stand (``desk.registry.model_registry``).
"""

import functools
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, cast

import jsonschema

from desk.errors import ModelIncomplete
from desk.files import read_file
from desk.outcomes import Json
from desk.reading import read_json

_SCHEMAS = resources.files("desk") / "schemas"


def checked_json(document: Mapping[str, Any], schema: str) -> bytes:
    """``document`` as UTF-8 JSON, after its schema has passed it."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    _validator(schema).validate(json.loads(text))
    return f"{text}\n".encode()


def read_metadata(path: Path) -> Json:
    """Metadata of this version or of the one before."""
    document = _parsed(path)
    old = isinstance(document, dict) and document.get("schema_version") == 1
    return _conforming(document, path, "metadata_v1" if old else "metadata")


def read_document(path: Path, schema: str) -> Json:
    """The document at ``path``, if it conforms to ``schema``.

    Raises
    ------
    ModelIncomplete
        If it cannot be read, is not JSON, or breaks the schema.
    """
    return _conforming(_parsed(path), path, schema)


def _parsed(path: Path) -> object:
    try:
        return read_json(read_file(path))
    except OSError as exc:
        raise ModelIncomplete(f"{path} cannot be read ({exc.strerror}): train again") from exc
    except ValueError as exc:
        raise ModelIncomplete(f"{path} is not JSON: train again") from exc


def _conforming(document: object, path: Path, schema: str) -> Json:
    for error in _complaints(document, schema):
        raise ModelIncomplete(f"{path} breaks its schema ({error}): train again")
    return cast(Json, document)


def _complaints(document: object, schema: str) -> Iterator[str]:
    for error in _validator(schema).iter_errors(document):
        yield f"{error.json_path}: {error.message[:200]}"


@functools.cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    rules = json.loads((_SCHEMAS / f"{schema}.schema.json").read_bytes())
    jsonschema.Draft202012Validator.check_schema(rules)
    return jsonschema.Draft202012Validator(rules)
