"""Rules of automation, one module per noun: scores, arms, runs, queue, rules, wording."""
