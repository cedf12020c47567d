"""The operations of a vault by the number that is stored for each; the numbers never change. Pure."""

OPERATIONS = [
    "other",
    "create",
    "read",
    "update",
    "patch",
    "delete",
    "list",
    "scan",
    "help",
    "revoke",
    "renew",
    "rollback",
    "header",
    "alias-lookahead",
    "resolve-role",
    "sync-activation",
    "watch",
]
