# Keybook's executor: kv, write, at secret/prod/.
# Write keys and keep the others; never read, never replace all.
path "secret/data/prod/*" {
  capabilities = ["create", "patch"]
  required_parameters = ["options"]
}
# Which versions there are, without values.
path "secret/metadata/prod/*" {
  capabilities = ["read"]
}
# Which keys it has, without values.
path "secret/subkeys/prod/*" {
  capabilities = ["read"]
}
# Open a value that somebody wrapped for this change.
path "sys/wrapping/unwrap" {
  capabilities = ["update"]
}
# Have a value made by a password policy.
path "sys/policies/password/+/generate" {
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
