"""The sign-in gate and the account panel."""
