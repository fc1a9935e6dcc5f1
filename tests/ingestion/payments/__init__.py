"""Payment connectors against faithful local providers and real lakes."""
