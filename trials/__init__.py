"""How trials are trained: trainers, cohorts, data. No Ray, no SQL, no study here."""

TRAINERS: dict[str, str] = {
    "mlp": "trials.networks.mlp:MLP",
    "gan": "trials.gans.vectors:VectorGAN",
}
"""Name in the CLI, the spec and the code -> where the trainer is, imported when it is used."""
