"""What each mount type's `data` objects may keep: the lists, and which list a call falls under."""

from __future__ import annotations

from dataclasses import dataclass

from vault.vocabulary import COMMON, KEYS, USER_OBJECTS, words


@dataclass(frozen=True, eq=False, repr=False)
class Rules:
    """How one kind of `data` object is masked.

    `keys` keep their names, the numbers, dates and switches of `allow` are kept, below `user` everything is masked
    with its key names; below `numbered` keys of up to six digits are kept (a key ring's versions). An object with no
    `keys` is a user's own: all of it is masked.
    """

    keys: frozenset[str] = frozenset()
    allow: frozenset[str] = frozenset()
    user: frozenset[str] = frozenset()
    numbered: frozenset[str] = frozenset()


def _api(allow: str, *, common: frozenset[str] = COMMON, user: frozenset[str] = USER_OBJECTS) -> Rules:
    allowed = common | words(allow)
    return Rules(KEYS | allowed | user, allowed, user, frozenset(("keys", "versions")))


USER = Rules()
WRAPPED = Rules()  # an unwrapped answer, told by its shape
LIST = Rules(frozenset(("keys", "key_info")), frozenset(("keys",)), frozenset(("key_info",)))
RAW_ANSWER = Rules(frozenset(("http_content_type", "http_raw_body", "http_status_code")),
                   frozenset(("http_status_code",)))  # fmt: skip
ERROR_ANSWER = Rules(frozenset(("error",)))

# KV version 2, all of its paths: what stands beside the secret's own `data`.
_KV2_METADATA = words("created_time custom_metadata deletion_time destroyed version")
_KV2_ALLOW = _KV2_METADATA | words(
    """
    cas cas_required current_metadata_version current_version delete_version_after max_versions metadata_cas_required
    oldest_version updated_time versions
    """
)
_KV2_USER = frozenset(("data", "custom_metadata", "subkeys"))
KV2 = Rules(
    _KV2_ALLOW | _KV2_USER | {"metadata", "options"}, _KV2_ALLOW - {"custom_metadata"}, _KV2_USER,
    frozenset(("versions",)),
)  # fmt: skip

_DATABASE = _api(
    """
    default_ttl last_vault_rotation max_idle_connections max_open_connections next_vault_rotation rotation_period
    rotation_window skip_static_role_import_rotation verify_connection
    """
)
_PKI = _api(
    """
    acme_account_deleted_count acme_account_revoked_count acme_account_safety_buffer acme_orders_deleted_count
    add_basic_constraints allow_any_name allow_bare_domains allow_expired_cert_revocation allow_glob_domains
    allow_globs_in_identity_templates allow_ip_sans allow_localhost allow_role_ext_key_usage allow_subdomains
    allow_token_displayname allow_wildcard_certificates allowed_domains_template allowed_uri_sans_template
    auto_rebuild basic_constraints_valid_for_non_ca cert_store_deleted_count client_flag code_signing_flag created_on
    crl_number current_cert_store_count current_revoked_cert_count default_follows_latest_issuer delta_crl_base_number
    disable email_protection_flag enable_aia_url_templating enable_delta enable_templating enabled enforce_hostnames
    exclude_cn_from_sans expiration expiry generate_lease interval_duration issuer_safety_buffer key_bits
    maintain_stored_certificate_counts max_path_length missing_issuer_cert_count no_store not_after not_before
    not_before_duration ocsp_disable page_size publish_stored_certificate_count_metrics remove_roots_from_chain
    require_cn require_matching_certificate_algorithms revocation_time revoked revoked_cert_deleted_count
    revoked_safety_buffer safety_buffer server_flag signature_bits success tidy_acme tidy_cert_store
    tidy_expired_issuers tidy_invalid_certs tidy_move_legacy_ca_bundle tidy_revocation_list
    tidy_revoked_cert_issuer_associations tidy_revoked_certs total_acme_account_count use_csr_common_name use_csr_sans
    use_csr_values use_pss
    """
)
_TRANSIT = _api(
    """
    allow_plaintext_backup allow_rotation auto_rotate_period base_key_version bits convergent_encryption
    deletion_allowed derived disable_upsert exportable force imported_key key_size key_version keys latest_version
    min_available_version min_decryption_version min_encryption_version partial_failure_response_code prehashed size
    soft_deleted supports_decryption supports_derivation supports_encryption supports_signing valid
    """
)
_SYSTEM = _api(
    """
    active_time allow_credentials allow_slashes_in_identity_templates allow_unauthenticated
    allow_wildcards_in_identity_templates approved backup block_interval builtin cas cas_required complete compressed
    counters counts declarative default_lease_ttl deprecated disabled enable enable_rate_limit_audit_logging
    enable_rate_limit_response_headers enabled encryptions expiration external_entropy_access force force_no_cache
    ha_enabled hmac increment inheritable initialized install_time interval is_self key_threshold lease_count limit
    local locked max_lease_ttl max_operations migration modified multivalue no_default_policy oci otp_length progress
    raft_applied_index raft_committed_index rate recovery_seal recovery_shares recovery_threshold require_verification
    required reset root seal_wrap sealed secret_shares secret_threshold started sync tainted term timestamp total
    user_lockout_counter_reset_duration user_lockout_disable user_lockout_duration user_lockout_threshold
    verification_required
    """
)
_TOKEN = _api("creation_ttl no_parent no_default_policy increment")
_AUTH = _api(
    """
    bind_secret_id clock_skew_leeway disable_binding disable_iss_validation disable_local_ca_jwt disabled
    enable_identity_alias_metadata enabled expiration_leeway expiration_time last_updated_time lease limit
    local_secret_ids namespace_in_state not_before_leeway ocsp_cache_size ocsp_enabled ocsp_fail_open
    ocsp_query_all_servers secret_id_num_uses secret_id_ttl skip_jwks_validation token_strictly_bind_ip
    verbose_oidc_logging
    """
)
_SSH = _api(
    """
    allow_bare_domains allow_commas_in_identity_templates allow_empty_principals allow_host_certificates
    allow_subdomains allow_user_certificates allow_user_key_ids allow_wildcards_in_identity_templates
    allowed_domains_template allowed_users_template default_extensions_template default_user_template
    generate_signing_key key_bits not_before_duration port set_default
    """
)
_TOTP = _api("valid digits skew key_size qr_size exported generate")
_IDENTITY = _api(
    """
    access_token_ttl disabled entity_creation_time id_token_ttl last_update_time local max_age rotation_period
    verification_ttl
    """
)
_CLOUD = _api("lease lease_max rotation_period last_vault_rotation")
HELP = Rules(words("help openapi see_also"), user=words("openapi"))

BY_MOUNT: dict[str, Rules] = {
    "database": _DATABASE,
    "pki": _PKI,
    "transit": _TRANSIT,
    "system": _SYSTEM,
    "token": _TOKEN,
    "ssh": _SSH,
    "totp": _TOTP,
    "identity": _IDENTITY,
    **dict.fromkeys(words("approle kubernetes jwt oidc userpass ldap cert radius okta github kerberos saml"), _AUTH),
    **dict.fromkeys(words("aws azure gcp alicloud consul nomad rabbitmq terraform mongodbatlas ad openldap"), _CLOUD),
}
SECRET_ID = words("secret_id secret_id_accessor secret_id_num_uses secret_id_ttl")

_ANSWERED_ALIKE = {"list": LIST, "scan": LIST, "help": HELP}


def rules_for(mount_type: str, path: str, operation: str, side: str, kv_version: int = 0) -> Rules:
    """The rules for one `data` object; `path` is the request's, `side` is `request` or `response`.

    Only a KV mount known to be version 2 keeps what its API puts beside a secret's data: a path tells nothing, for a
    user of version 1 may name a secret `data/x` and a key in it `version`. Data of an unknown mount type is a user's
    own too, all of it.
    """
    if side == "response" and operation in _ANSWERED_ALIKE:
        return _ANSWERED_ALIKE[operation]
    kind = mount_type.removeprefix("ns_")
    if kind == "kv":
        return KV2 if kv_version == 2 else USER
    if path == "sys/wrapping/unwrap" and side == "response":
        return WRAPPED
    if path.startswith(("sys/wrapping/wrap", "sys/raw/")):
        return USER
    return BY_MOUNT.get(kind, USER)
