"""Tables, plots, image grids and HTML pages of plain numbers. Nothing here knows networks."""
