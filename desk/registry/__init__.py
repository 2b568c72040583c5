"""The models directory: versions that never change, links to those that are published, and the state of all.

Place in the house: a service, the only writer below ``models/``.

``model_registry``
    versions and ``_latest``: written whole, opened only if their files belong together.
``candidates``
    what a run has trained, kept with its evidence until it is judged, and taken again by a later run.
``unfinished_run``
    ``unfinished_run.json``: a run that has begun and not come to its end.
``state``
    ``models.json``: one row a symbol, derived from the files.
``documents``
    JSON checked against its schema.
"""

from desk.registry.model_registry import ModelRegistry, RegisteredModel

__all__ = ["ModelRegistry", "RegisteredModel"]
