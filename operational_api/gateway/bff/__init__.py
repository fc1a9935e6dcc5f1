"""First screens: one answer for each kind of person, shaped for what they see first.

composition.py puts parts together within a time; customer.py, coach.py, admin.py say which parts; schemas.py their
shape; router.py HTTP. Parts come from contexts' public doors and from analytics. No rule of a context lives here.
"""
