"""The families of the zoo: importing a module here registers its networks. One line a family, in alphabetical order."""
