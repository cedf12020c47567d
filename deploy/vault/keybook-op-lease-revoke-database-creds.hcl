# Keybook's executor: lease, revoke, at database/creds/.
# Revoke one lease at a time, named in the path.
path "sys/leases/revoke/database/creds/*" {
  capabilities = ["update"]
}
# See whether one lives.
path "sys/leases/lookup" {
  capabilities = ["update"]
  allowed_parameters = { "lease_id" = ["database/creds/*"] }
}
# See which there are.
path "sys/leases/lookup/database/creds/*" {
  capabilities = ["list", "sudo"]
}
# Hash a login's name as the log does, to tell whose it is; optional.
path "sys/audit-hash/+" {
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
