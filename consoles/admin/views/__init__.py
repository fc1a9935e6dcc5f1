"""One module per page: a function that asks through `Plyo` and returns what to show. Four states each."""
