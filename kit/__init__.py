"""The toolbox: small pure pieces that know neither Django nor the domain."""
