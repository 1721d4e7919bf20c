"""`ambs top`: campaigns, evaluations, launchers and failures in a terminal, as they change."""
