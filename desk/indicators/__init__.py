"""Formulas of technical analysis on arrays with time on the last axis.  Pure.

Not here: which of them are columns of a model, see ``ml_feature_engineering.FEATURES``.
"""
