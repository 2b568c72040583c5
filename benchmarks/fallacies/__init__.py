"""Recipes that print win rates of 60 to 97 % where nothing can be known, or nothing can be earned.

Each module is one recipe, as it stands in tutorials, run on invented candles: ``python -m
benchmarks.fallacies`` runs all (a few minutes), ``python -m benchmarks.fallacies.shuffled_split`` one.  Each
prints what the recipe says, what the same model does where it is asked honestly, and what the protocol of
the suite says of the same candles.  ``docs/why-other-numbers-lie.md`` explains them.
"""
