# Keybook's executor: token, revoke, at all.
# Revoke a token by its accessor; a policy can't name which.
path "auth/token/revoke-accessor" {
  capabilities = ["update"]
}
# See whether it lives.
path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}
# Ask beforehand what this token may.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
# End itself when the work is done.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
