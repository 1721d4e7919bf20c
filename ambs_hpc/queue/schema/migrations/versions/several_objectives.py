"""Views tell which results keep the constraints, and which are on the front of several objectives."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """The tables stay: objectives and constraints are in `campaign.problem`, their values in `metrics`."""
