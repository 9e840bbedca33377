"""What each method of explanation draws of a network and its pictures, with captions."""
