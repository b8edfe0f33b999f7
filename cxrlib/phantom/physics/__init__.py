"""The physics of a film: rays, materials, texture, drawing and the detector."""
