"""Show what a run has learned.

- `cxrlib.report.plots`: one chart or picture on the axes of a figure
- `cxrlib.report.prediction`: one film with its heat map, score, decision and warnings
- `cxrlib.report.card`: the model card, in Markdown
- `cxrlib.report.badges`: what a run's page answers at its top, with yes, no or not known
- `cxrlib.report.page`: the HTML page of ``cxr report``, with `cxrlib.report.charts` and `cxrlib.report.html`
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
