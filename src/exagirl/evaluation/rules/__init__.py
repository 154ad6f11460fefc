"""Scores that need no judge: what can be counted in replies."""

from exagirl.evaluation.rules.measure import RuleReport, measure_rules

__all__ = ["RuleReport", "measure_rules"]
