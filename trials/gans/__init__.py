"""Trainers of generative adversarial networks, and what their samples are worth."""
