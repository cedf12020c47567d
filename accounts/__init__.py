"""Who may enter, and the trail they leave."""
