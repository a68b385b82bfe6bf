"""Who asks, and what they may: keys, single sign-on tokens, limits of rate, and the audit of what was denied."""
