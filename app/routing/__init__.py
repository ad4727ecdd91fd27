"""Which version answers: weights, experiments, shadows, and the rollouts that change them."""
