"""CRM connectors against a faithful local provider and real lakes."""
