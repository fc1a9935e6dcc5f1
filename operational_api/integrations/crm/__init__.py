"""Our people in a CRM and back: which values go which way, and that nothing of ours comes back as news (ADR 0037).

A part of integrations with a context's files. What the data platform reads of a CRM is `ingestion.crm`.
"""
