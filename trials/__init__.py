"""How trials are trained: trainers, cohorts, data. No Ray, no SQL, no study here."""

TRAINERS: dict[str, str] = {
    "mlp": "trials.networks.mlp:MLP",
    "cnn": "trials.networks.cnn:CNN",
    "gan": "trials.gans.vectors:VectorGAN",
    "dcgan": "trials.gans.dcgan:DCGAN",
}
"""Name in the CLI, the spec and the code -> where the trainer is, imported when it is used."""
