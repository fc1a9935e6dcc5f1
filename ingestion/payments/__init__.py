"""Payment providers: what they know of money that moved. A module per provider; settings beside them.

Taking payments is the operational API's; what the numbers mean is dbt's.
"""
