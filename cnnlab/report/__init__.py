"""Tables, plots and HTML pages made of plain numbers; nothing here knows what a network is."""
