# Keybook's executor: database role, rotate, at database/.
# Have a static role's password changed.
path "database/rotate-role/*" {
  capabilities = ["update"]
}
# When it was changed last, without the password.
path "database/static-roles/*" {
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
