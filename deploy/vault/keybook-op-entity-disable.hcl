# Keybook's executor: entity, disable, at all.
# Disable an entity or enable it, and change nothing else.
path "identity/entity/id/+" {
  capabilities = ["read", "update"]
  allowed_parameters = { "disabled" = [] }
}
# Ask beforehand what this token may.
path "sys/capabilities-self" {
  capabilities = ["update"]
}
# End itself when the work is done.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
