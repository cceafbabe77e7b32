"""An ordinary Optuna objective; nothing here knows of the tuner.

Run it through Optuna alone with `python examples/objective.py`, or unchanged on every core with
`tuner launch --objective objective:objective --trials 100` from this folder.
"""

import optuna


def objective(trial: optuna.Trial) -> float:
    """The distance to the lowest point of a bowl after 20 steps of gradient descent."""
    learning_rate = trial.suggest_float("learning_rate", 1e-3, 1.0, log=True)
    momentum = trial.suggest_float("momentum", 0.0, 0.95)
    x, y, x_speed, y_speed = 4.0, 3.0, 0.0, 0.0
    for step in range(20):
        x_speed = momentum * x_speed - learning_rate * x
        y_speed = momentum * y_speed - learning_rate * 4.0 * y
        x, y = x + x_speed, y + y_speed
        trial.report(x * x + y * y, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x * x + y * y


if __name__ == "__main__":
    study = optuna.create_study(direction="minimize")
    study.optimize(objective, n_trials=100)
    print(study.best_trial.params)
