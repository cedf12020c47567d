# Keybook's executor. Everything else it does with tokens that it mints of enrolled roles.
# Mint tokens of enrolled roles, never without saying what for.
path "auth/token/create/keybook-op-*" {
  capabilities = ["update"]
  required_parameters = ["meta", "num_uses", "ttl"]
}
# See whether a token that it minted lives.
path "auth/token/lookup-accessor" {
  capabilities = ["update"]
}
# See whether its own token lives.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}
# End its own token when it stops.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
