"""Models that read marts and write scores with reasons. Never schedules itself, never talks to the product.

Belongs here: labels, features, splits, training, evaluation, scoring, explanation, one folder a question asked.
"""
