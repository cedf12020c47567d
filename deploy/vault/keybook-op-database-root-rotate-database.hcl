# Keybook's executor: database root, rotate, at database/.
# Have the vault's own password at the database changed.
path "database/rotate-root/*" {
  capabilities = ["update"]
}
# Which database it is; the vault leaves the password out.
path "database/config/*" {
  capabilities = ["read"]
}
# Ask beforehand what this token may.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
# End itself when the work is done.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
