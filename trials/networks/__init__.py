"""Trainers of deep networks, one file each, named as in `trials.TRAINERS`."""
