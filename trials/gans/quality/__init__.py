"""What generated samples are worth: figures of K generators at once, against real samples."""

from __future__ import annotations

from trials.gans.quality.images import ImageQuality
from trials.gans.quality.points import N_SAMPLES, PointQuality, Quality
from trials.gans.quality.reference import Figures

__all__ = ["N_SAMPLES", "Figures", "ImageQuality", "PointQuality", "Quality"]
