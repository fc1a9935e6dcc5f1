"""What people are told on events of other contexts, by what it is about. `handlers` says what is told on which."""
