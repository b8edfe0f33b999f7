"""Measure how good the scores are, and choose the threshold.

- `cxrlib.evaluation.roc_auc`: the AUC, its interval, the difference of two AUCs
- `cxrlib.evaluation.average_precision`: the average precision and its interval
- `cxrlib.evaluation.rates`: sensitivity, specificity and predictive values at a threshold
- `cxrlib.evaluation.operating_point`: the rules that choose a threshold
- `cxrlib.evaluation.decisions`: whether acting on the scores does more good than harm (net benefit)
- `cxrlib.evaluation.calibration`: whether a score is a probability (Brier score, slope, reliability, Platt)
- `cxrlib.evaluation.groups`: the figures by view, sex, age and so on, and whether they differ by more than chance
- `cxrlib.evaluation.heat_maps`: where the network looks (Grad-CAM)
- `cxrlib.evaluation.seeds`: comparing configurations over random seeds
- `cxrlib.evaluation.estimate`: a value with its interval, and the interval of a proportion
- `cxrlib.evaluation.intervals`: the interval that the AUC, the Brier score and others share

Everywhere labels are (N,) with 1 = the finding and 0 = no finding; scores are
(N,), higher for the finding; patients are (N,) ids, or None if every film comes from
a different patient. Intervals are 95 % confidence intervals. They allow for
several films of one patient.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
