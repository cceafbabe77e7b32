"""How trials are trained: trainers, cohorts, data. No Ray, no SQL, no study here."""

TRAINERS: dict[str, str] = {
    "linear": "trials.networks.linear:Linear",
    "mlp": "trials.networks.mlp:MLP",
    "cnn": "trials.networks.cnn:CNN",
    "cnn_1d": "trials.networks.cnn_1d:CNN1D",
    "rnn": "trials.networks.rnn:RNN",
    "transformer": "trials.networks.transformer:Transformer",
    "recursive": "trials.networks.recursive:Recursive",
    "gan": "trials.gans.vectors:VectorGAN",
    "dcgan": "trials.gans.dcgan:DCGAN",
    "progressive_gan": "trials.gans.progressive:ProgressiveGAN",
    "infogan": "trials.gans.infogan:InfoGAN",
    "conditional_gan": "trials.gans.conditional:ConditionalGAN",
    "pix2pix": "trials.gans.pix2pix:Pix2Pix",
    "cyclegan": "trials.gans.cyclegan:CycleGAN",
    "semi_supervised_gan": "trials.gans.semi_supervised:SemiSupervisedGAN",
    "autoencoder": "trials.networks.autoencoder:Autoencoder",
    "rbm": "trials.networks.rbm:RBM",
    "dbn": "trials.networks.dbn:DBN",
    "pretrained": "trials.networks.pretrained:Pretrained",
}
"""Name in the CLI, the spec and the code -> where the trainer is, imported when it is used."""
