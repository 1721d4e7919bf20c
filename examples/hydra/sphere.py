"""A Hydra program whose runs take unlike times: the sphere function, moved by each choice of `shape`.

python sphere.py --multirun
"""

import time

import hydra
from omegaconf import DictConfig


@hydra.main(version_base=None, config_path="conf", config_name="sphere")
def sphere(cfg: DictConfig) -> float:
    time.sleep(cfg.seconds * (1 + 3 * abs(cfg.x)) / 4)  # far from the middle takes four times as long
    return cfg.x**2 + cfg.scale * cfg.y**2 + cfg.shape.offset


if __name__ == "__main__":
    sphere()
