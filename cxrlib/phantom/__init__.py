"""The simulator: chest films whose truth is known exactly. The same seed gives the same films.

- `physics`: rays from a source to the detector, materials, texture, the detector
- `body`: the patient, the chest along each ray, its heart, bones and vessels, fluid under
  gravity, look-alikes and devices
- `film`: puts them together
- `signs`: measures what a film shows
- `roster`: draws which patients come, and how they are imaged
- `simulation`: writes a cohort to a folder
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
