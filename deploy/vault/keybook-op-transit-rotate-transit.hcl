# Keybook's executor: transit, rotate, at transit/.
# Add a version to the key.
path "transit/keys/+/rotate" {
  capabilities = ["update"]
}
# Which version is the latest.
path "transit/keys/+" {
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
