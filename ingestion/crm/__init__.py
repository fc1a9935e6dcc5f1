"""Customer relations outside: leads, deals and the talk with them. A module per provider; settings beside them.

Plyo's own leads and messages are the operational API's, and come by change capture.
"""
