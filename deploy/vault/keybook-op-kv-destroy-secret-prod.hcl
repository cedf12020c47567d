# Keybook's executor: kv, destroy, at secret/prod/.
# Destroy an old version for good.
path "secret/destroy/prod/*" {
  capabilities = ["update"]
}
# Which versions there are, without values.
path "secret/metadata/prod/*" {
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
