"""The Hydra sweeper `hydra/sweeper=ambs`; Hydra finds it through `plugin.py`, installed in hydra_plugins."""
