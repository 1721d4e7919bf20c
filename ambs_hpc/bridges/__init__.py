"""Campaigns as runs of MLflow, TensorBoard, Weights & Biases and Optuna: from rows, and only what is new."""
