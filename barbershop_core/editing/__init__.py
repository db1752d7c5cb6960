"""What all three methods share: regions, masks, chains of edits, their results and recipes."""
