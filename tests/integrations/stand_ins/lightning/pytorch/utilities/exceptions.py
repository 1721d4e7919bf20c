"""What Lightning raises after the batch in which TERM came."""


class SIGTERMException(SystemExit):
    """As in Lightning, an exit without a status."""
