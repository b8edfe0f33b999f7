"""The X-rays: rays, materials, texture and the detector."""
