"""The families whose weights are known: importing a module here registers its ids. One line a family, in alphabetical order."""
