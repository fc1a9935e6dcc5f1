"""Pages of the business's own people under /staff: deciding, helping people, today's sessions, exports, the audit log.

Owns no table and no rule: it shows what contexts offer by their public doors, as far as the policy lets the reader.
"""
