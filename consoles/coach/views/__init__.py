"""One module per page; each asks and acts through `Plyo`. Four states: loading, empty, wrong, right."""
