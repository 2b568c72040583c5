"""A model that cannot know anything: the control of the protocol.

One symbol's labelled candles come in; the win rate of a model that learned labels of other days goes out.
Pure.  It must lie at one half; where it does not, the protocol leaks.
"""

import numpy as np

from desk.frames import UP, LabelledSet
from desk.learn.blocks import DAY_MS, Mean, clustered_mean
from desk.learn.recipe import recipe_of, teach
from desk.learn.settings import LearnSettings
from desk.learn.splits import Split


def control_accuracy(
    labelled: LabelledSet, split: Split, settings: LearnSettings, *, seed: int
) -> Mean | None:
    """What a model scores on the test part after learning labels that belong to other days.

    The days of the development part keep their candles but swap their labels, so that nothing can have
    been learned: the win rate must be one half, or the protocol leaks.

    Returns
    -------
    Mean or None
        Its win rate on labelled test candles; None where there is none.
    """
    rng = np.random.default_rng(seed)
    rows = split.development
    day = labelled.features.open_time[rows] // DAY_MS
    days = [np.flatnonzero(day == one) for one in np.unique(day)]
    swapped = labelled.label.copy()
    order = np.concatenate([days[one] for one in rng.permutation(len(days))])
    swapped[rows] = labelled.label[rows[order]]
    shuffled = LabelledSet(
        labelled.features, labelled.horizon, labelled.threshold, swapped, labelled.move, labelled.known_at
    )
    recipe = recipe_of(settings.baseline, settings.min_boost_round, settings, seed=seed)
    seen = split.test[labelled.decided[split.test]]
    called = teach(shuffled, rows, recipe).scores(labelled.features.x[seen]) > 0
    if len(seen) == 0:
        return None
    won = np.asarray(called == (labelled.label[seen] == UP), dtype=np.float64)
    return clustered_mean(won, labelled.features.open_time[seen])
