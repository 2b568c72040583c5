"""A model that cannot know anything: the control of the protocol.

One symbol's labelled candles come in; the win rate of a model that was trained on labels of other days goes
out.
Pure.  It must lie at one half; where it does not, the protocol leaks.
"""

from dataclasses import replace

import numpy as np

from desk.clustered import DAY_MS, Mean, clustered_mean
from desk.learn.recipe import bin_labelled, fit, recipe_of
from desk.learn.settings import LearnSettings
from desk.learn.splits import Split
from desk.values import UP, LabelledSet


def control_accuracy(
    labelled: LabelledSet, split: Split, settings: LearnSettings, *, seed: int
) -> Mean | None:
    """The win rate on the test part of a model that was trained on labels that belong to other days.

    The days of the development part keep their candles but swap their labels, so that nothing can have
    been learned: the win rate must be one half, or the protocol leaks.

    Parameters
    ----------
    labelled : LabelledSet
    split : Split
        Its development part is trained on, its test part is predicted.
    settings : LearnSettings
    seed : int
        Of the order of the days and of the members.

    Returns
    -------
    Mean or None
        Its win rate on labelled test candles; None where there is none.  The standard error is that of
        the test candles.  What was learned by luck points to one side or the other of what is true, so
        where much can be known about a symbol, one control scatters more than that (0.012 instead of
        0.006 on 1000PEPEUSDT, twelve seeds): the mean over the sample of symbols is what counts.
    """
    rng = np.random.default_rng(seed)
    rows = split.development
    day = labelled.features.open_time[rows] // DAY_MS
    days = [np.flatnonzero(day == one) for one in np.unique(day)]
    order = np.concatenate([days[one] for one in rng.permutation(len(days))])
    label = labelled.label.copy()
    label[rows] = labelled.label[rows[order]]
    swapped = replace(labelled, label=label)
    recipe = recipe_of(settings.baseline, settings.min_boost_round, settings.n_seeds, seed=seed)
    test_rows = split.test[labelled.decided[split.test]]
    if len(test_rows) == 0:
        return None
    called = fit(bin_labelled(swapped, rows), rows, recipe).scores(labelled.features.x[test_rows]) > 0
    won = np.asarray(called == (labelled.label[test_rows] == UP), dtype=np.float64)
    return clustered_mean(won, labelled.features.open_time[test_rows])
