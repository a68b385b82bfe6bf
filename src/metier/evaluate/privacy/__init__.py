"""Private? Whether a row can be told to have been trained on."""
