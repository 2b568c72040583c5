"""Everything that one run of training depends on besides its candles, checked as a whole.

A service: ``config.py`` gives the values, a command line narrows them.  Each part of the suite checks its
own settings (``desk.market.settings``, ``desk.learn.settings``); what one demands of another is checked here.

Not here: values.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from desk.addresses import proxy_from
from desk.cores import usable_workers
from desk.errors import SettingsError
from desk.learn.settings import ExploreSettings, LearnSettings, ModelSettings
from desk.market.settings import FetchSettings
from desk.settings import check_settings
from desk.values import CANDLES_PER_DAY

PublishRule = Literal["always", "better"]
LOCAL = "local"
DASK = re.compile(r"dask://(local:[1-9][0-9]*|[^/:\s]+:[0-9]+)")
TEST_HORIZONS = 10
"""The test part must hold at least so many horizons, or nothing could be said about them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a run depends on besides its candles; equal settings and candles give equal models."""

    fetch: FetchSettings
    learn: LearnSettings
    explore: ExploreSettings
    models_dir: Path
    """Where models, metadata and the summary go."""
    max_model_age_days: int
    """Published models that a run left alone and that are older are listed for retraining."""
    publish_rule: PublishRule
    """Which judged models are published: all, or those that earned more than the published one on the
    weeks that it has not learned, see ``desk.learn.challenge``."""
    experiment: bool
    """Whether arguments chose other labels or another history than ``config.py``: nothing is published."""
    N_JOBS: int
    """Worker processes; 0 is one per core that this process may use, as far as the memory goes."""
    job_timeout_s: float
    """Seconds that a worker process may take for one symbol before it is ended and the symbol tried once
    more, alone; 0 is any number.  With one worker process nobody keeps the time."""
    continue_within_hours: float
    """A run that was cut off is continued by the same command so long after it began, with its candles; 0 is
    never."""
    executor: str
    """Where symbols are trained: ``local``, ``dask://HOST:PORT``, or ``dask://local:N``."""
    seed: int
    """The one seed of every random choice."""

    def __post_init__(self) -> None:
        check_settings("settings", self, self._problems())

    def _problems(self) -> Iterator[str]:
        learn, candles = self.learn, self.fetch.days * CANDLES_PER_DAY
        if candles < learn.min_samples:
            fewest = -(-learn.min_samples // CANDLES_PER_DAY)
            yield (
                f"days is {self.fetch.days}, which is {candles} candles, and min_samples asks for "
                f"{learn.min_samples}: give at least --days {fewest}"
            )
        elif learn.prediction_horizon * TEST_HORIZONS > candles * learn.test_share:
            longest = int(candles * learn.test_share / TEST_HORIZONS)
            yield (
                f"prediction_horizon is {learn.prediction_horizon} candles, too long for {self.fetch.days} "
                f"days of history: at most {longest}, so that the test part holds {TEST_HORIZONS} of them"
            )
        if self.models_dir.resolve() == self.fetch.cache_dir.resolve():
            yield f"models and candles would share one folder, {self.models_dir}"
        if self.publish_rule not in (rules := get_args(PublishRule)):
            yield f"publish_rule is {self.publish_rule!r}, must be one of {', '.join(rules)}"
        if self.max_model_age_days < 1:
            yield f"max_model_age_days is {self.max_model_age_days}, must be at least 1"
        if self.N_JOBS < 0:
            yield f"N_JOBS is {self.N_JOBS}, must be 0 (all cores) or more"
        if self.job_timeout_s < 0:
            yield f"job_timeout_s is {self.job_timeout_s:g}, must be 0 (no limit) or more"
        if not 0 <= self.continue_within_hours <= 24 * 7:
            yield f"continue_within_hours is {self.continue_within_hours:g}, must lie between 0 and {24 * 7}"
        if self.executor != LOCAL and not DASK.fullmatch(self.executor):
            yield f"executor is {self.executor!r}, must be local, dask://HOST:PORT or dask://local:N"
        if not 0 <= self.seed < 2**31:
            yield f"seed is {self.seed}, must lie between 0 and {2**31 - 1}"

    @property
    def workers(self) -> int:
        """Worker processes."""
        return self.N_JOBS or usable_workers()

    @property
    def model(self) -> ModelSettings:
        """The part of them that can change the model of one symbol."""
        return ModelSettings(learn=self.learn, days=self.fetch.days, seed=self.seed)

    def digest(self) -> str:
        """SHA-256 of what decides which symbols a run has and what their models are, besides the candles."""
        fetch = self.fetch
        parts = (
            *(fetch.source, fetch.symbols, fetch.top, fetch.include_rwa, fetch.funding),
            *(self.publish_rule, self.experiment, self.model.as_json()),
        )
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def exploration_grid(self) -> tuple[ModelSettings, ...]:
        """The settings of every cell that ``--explore`` measures, by horizon.

        Raises
        ------
        SettingsError
            If a horizon is too long for the history.
        """
        return tuple(replace(self, learn=learn).model for learn in self.explore.cells(self.learn))


def with_environment(settings: Settings, environ: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """``settings``, in which what the environment says wins.

    Parameters
    ----------
    settings : Settings
    environ : mapping
        ``N_JOBS``, ``BITGET_BASE_URL``, ``HTTPS_PROXY`` and ``NO_PROXY``; one that is empty says nothing.

    Returns
    -------
    settings : Settings
    sources : dict
        By dotted name of what was set: the variable.

    Raises
    ------
    SettingsError
        If a variable holds what cannot be.
    """
    sources = {}
    try:
        if address := environ.get("BITGET_BASE_URL", ""):
            settings = replace(settings, fetch=replace(settings.fetch, base_url=address))
            sources["fetch.base_url"] = "BITGET_BASE_URL"
    except SettingsError as exc:
        raise SettingsError(f"BITGET_BASE_URL in the environment: {exc}") from exc
    try:
        if proxy := proxy_from(environ, settings.fetch.base_url):
            settings = replace(settings, fetch=replace(settings.fetch, proxy=proxy))
            sources["fetch.proxy"] = "HTTPS_PROXY"
    except SettingsError as exc:
        raise SettingsError(f"HTTPS_PROXY in the environment: {exc}") from exc
    if jobs := environ.get("N_JOBS", ""):
        try:
            settings = replace(settings, N_JOBS=int(jobs))
        except ValueError as exc:
            raise SettingsError(f"N_JOBS in the environment is {jobs!r}, must be a whole number") from exc
        sources["N_JOBS"] = "N_JOBS"
    return settings, sources
