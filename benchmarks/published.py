"""Figures that others have published, to be set beside ours.

HiPC 2018: Balaprakash, Salim, Uram, Vishwanath, Wild: "DeepHyper: Asynchronous Hyperparameter Search for Deep
Neural Networks". Its bars are read from the figures. SCALBO: Egele, Guyon, Vishwanath, Balaprakash:
"Asynchronous Decentralized Bayesian Optimization for Large Scale Hyperparameter Optimization", from its own
notebooks.
"""

from __future__ import annotations

PROBLEMS = ("mnistmlp", "mnistcnn", "cifar10cnn", "gcn", "rnn1", "rnn2")
EVALUATIONS_128_NODES_2_HOURS = {  # HiPC, figure 1
    "AMBS": (581, 349, 641, 778, 356, 1052),
    "GA": (140, 120, 119, 176, 129, 197),
    "random": (134, 140, 195, 674, 147, 827),
}
GOOD_SHARE_128_NODES_2_HOURS = {  # HiPC, figure 2: accuracy above 0.8
    "AMBS": (0.576, 0.513, 0.0, 0.562, 0.053, 0.159),
    "GA": (0.029, 0.117, 0.0, 0.040, 0.024, 0.0),
    "random": (0.015, 0.112, 0.0, 0.012, 0.007, 0.010),
}
RNN2_UTILISATION = {256: 0.436, 512: 0.220, 1024: 0.092}  # HiPC, figure 4, AMBS on Theta
COOLEY_EVALUATIONS = {"AMBS": 87, "random": 33}  # HiPC, figure 7: cifar10cnn, 64 nodes, 127 workers, 1 h
# SCALBO, Ackley in 5 dimensions, sleep N(60, 20) s, 30 minutes, decentralised search, mean of 5 seeds.
ACKLEY_WORKERS = (128, 256, 512, 1024, 2048, 4096)
ACKLEY_UTILISATION = (0.928, 0.918, 0.909, 0.893, 0.855, 0.773)
ACKLEY_BEST = (4.182, 3.999, 3.503, 3.080, 2.874, 2.810)
ACKLEY_EVALUATIONS = (2975, 5912, 11702, 22863, 43914, 79473)
# SCALBO, Combo on Polaris, 3 hours on 1920 GPUs.
COMBO_UTILISATION = {"central": 0.267, "decentralised": 0.990}
