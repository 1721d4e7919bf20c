"""The base class of callbacks, with the hooks that ours has."""

from __future__ import annotations


class Callback:
    """Does nothing."""

    def on_exception(self, trainer: object, pl_module: object, exception: BaseException) -> None: ...

    def on_validation_end(self, trainer: object, pl_module: object) -> None: ...

    def on_fit_end(self, trainer: object, pl_module: object) -> None: ...
