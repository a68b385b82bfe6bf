"""How good, how sure, and better by more than chance?"""
