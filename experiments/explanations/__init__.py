"""What each method of experiments.explain draws of a network and its pictures, with captions."""
