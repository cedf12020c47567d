"""The window: HTML pages over the other rooms; owns no tables and decides nothing."""
