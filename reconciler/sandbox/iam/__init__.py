"""Who calls and who may: accounts, tokens, policies, roles, permissions."""
