"""The words of the vendors' API: which key names may be stored, and which keys' numbers, dates and switches.

Source: the API documentation of HashiCorp Vault 1.5 to 1.21 and of OpenBao 2.0 to 2.7, and recorded audit lines. Vault
hashes strings only; so a number, a date, a switch or a key name is kept when it stands here, and masked otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Key names of API objects. A key that is not here is masked with everything below it.
KEYS = _words(
    """
    accessor accessor_id accessors accounts action active address addresses aead_algorithm alg algorithm
    algorithm_signer alias aliases allow allow_any_name allow_bare_domains allow_glob_domains
    allow_globs_in_identity_templates allow_host_certificates allow_ip_sans allow_localhost allow_plaintext_backup
    allow_subdomains allow_token_displayname allow_user_certificates allow_user_key_ids allow_wildcard_certificates
    allowed_audiences allowed_client_ids allowed_critical_options allowed_domains allowed_domains_template
    allowed_entity_aliases allowed_extensions allowed_managed_keys allowed_other_sans allowed_parameters
    allowed_policies allowed_policies_glob allowed_redirect_uris allowed_response_headers allowed_roles
    allowed_serial_numbers allowed_uri_sans allowed_uri_sans_template allowed_user_ids allowed_users
    allowed_users_template alt_names annotations associated_data audience audiences audit audit_non_hmac_request_keys
    audit_non_hmac_response_keys auth auth_type auto_rotate_period auto_tidy_enabled backend backup barcode
    batch_input batch_results bind_secret_id binddn bindpass bits bound_audiences bound_cidrs bound_claims
    bound_claims_type bound_issuer bound_service_account_names bound_service_account_namespace_selector
    bound_service_account_namespaces bound_subject bundle ca ca_chain ca_info canonical_id capabilities cas
    cas_required case_insensitive_names certificate certificates challenge cidr_list cidrs ciphertext ciphertexts cl
    claim_mappings classes client_ca_pem client_flag client_id client_secret client_token clock_skew_leeway cluster
    cluster_id cluster_name cn code common_name components conf config connection_details connection_url context count
    counters country created_time creation_path creation_statements creation_time creation_ttl credential_config
    credential_type crl csr current_metadata_version current_version custom_metadata data date days default
    default_extensions default_extensions_template default_issuer default_lease_ttl default_role default_user
    default_user_template delete_version_after deleted deletion_allowed deletion_time deprecation_status derived
    description destination destroyed digits direct_group_ids disable_expiration disable_iss_validation
    disable_local_ca_jwt disabled display_name dn_pattern dst effective_max_ttl email enabled encoding encryption
    engine entities entity entity_creation_time entity_id entity_ids entity_type environment error errors
    exclude_cn_from_sans exp expiration expiration_leeway expire_time expire_time_seconds expiry explicit_max_ttl
    exportable exported ext_key_usage ext_key_usage_oids external_entropy_access external_id extra_annotations
    extra_labels fingerprint force force_no_cache format from_entity_ids generate generate_lease generate_signing_key
    generated_role_rules group group_by groups groups_claim hash hash_algorithm headers help hmac host hosts hour
    http_content_type http_raw_body http_status_code id identifier identity_policies imported_key
    include_consul_namespace increment inherited_group_ids input interval ip ip_sans is_self issue_time issuer
    issuer_id issuer_name issuers issuing_ca issuing_certificates jwks_ca_pem jwks_url jwt jwt_supported_algs
    jwt_validation_pubkeys key key_bits key_id key_idle_timeout key_info key_name key_option_default key_option_list
    key_size key_type key_usage key_version keys kid kubernetes_ca_cert kubernetes_host kubernetes_namespace labels
    last_renewal last_renewal_time last_rotation_tolerance last_update_time last_vault_rotation latest_version
    leaf_not_after_behavior lease lease_count lease_duration lease_id lease_max leases length level listing_visibility
    local local_secret_ids locality locked locked_users manual_chain max_connection_lifetime max_idle_connections
    max_lease_ttl max_open_connections max_ttl max_versions member_entity_ids member_group_ids members
    merged_entity_ids meta metadata metadata_cas_required method min_available_version min_decryption_version
    min_encryption_version mode month mount_accessor mount_path mount_point mount_type mounts name names namespace
    namespace_id namespace_path next_vault_rotation no_default_policy no_parent no_store nonce not_after not_before
    not_before_duration not_before_leeway num_uses oidc_client_id oidc_client_secret oidc_discovery_ca_pem
    oidc_discovery_url oldest_version openapi openssl_version operation options organization orphan other_sans ou
    override_mfa parameters parent_group_ids partition pass password password_authentication password_credential_type
    password_policy path paths pem_bundle pem_keys period permissions persona plaintext plaintexts plugin plugin_args
    plugin_command plugin_name plugin_type plugin_version plugins policies policy policy_identifiers port postal_code
    prefix prehashed principal private_key private_key_format private_key_type progress provider province public_key
    public_key_pem qr_size rate recommended recovery_keys reference remaining remove_roots_from_chain renew renewable
    renewals request require_cn required responses revocation_statements revocation_time revoked role role_arns
    role_id role_name role_type roles rollback_statements root_rotation_statements rotation_period rotation_schedule
    rotation_statements rotation_window rules running_plugin_version running_sha256 salt_length schema scope scopes
    seal_wrap secret secret_id secret_id_accessor secret_id_accessors secret_id_bound_cidrs secret_id_num_uses
    secret_id_ttl secret_key secret_path secret_shares secret_threshold security_token see_also self serial
    serial_number server_flag service_account_jwt service_account_name signature signature_algorithm signature_bits
    signed_key skew skip_static_role_import_rotation soft_deleted source src ssh_type state statement statements
    status street_address sub subject subkeys success sum sum_algorithm supported supports_decryption
    supports_derivation supports_encryption supports_signing sync system tags tainted target template tidy time title
    tls_ca tls_certificate_key to_entity_id token token_accessor token_bound_certs token_bound_cidrs
    token_explicit_max_ttl token_max_ttl token_no_default_policy token_num_uses token_period token_policies
    token_reviewer_jwt token_strictly_bind_ip token_ttl token_type topic total total_recovery ttl ttl_seconds type
    unix_time update_time url urls usage use_csr_common_name use_csr_sans use_pss user user_claim
    user_claim_json_pointer user_claims user_ids userfilter username username_template uuid valid valid_before value
    vault_metadata verbose_oidc_logging verify verify_connection version version_template versions view warning
    warnings wrap_info wrap_ttl wrapped_accessor year zones
    """
)

# Objects whose keys and values are chosen by users, wherever they stand.
USER_OBJECTS = _words(
    """
    alias_metadata allowed_parameters annotations auth_metadata bound_claims claim_mappings connection_details
    credential_config custom_metadata default_critical_options default_extensions extra_annotations extra_labels
    key_info labels meta metadata openapi options parameters permissions user_claims vault_metadata
    """
)

# Numbers, dates and switches that any mount of the API may keep.
_COMMON = _words(
    """
    creation_time creation_ttl expire_time explicit_max_ttl issue_time last_renewal last_renewal_time lease_duration
    max_ttl num_uses orphan period renewable token_explicit_max_ttl token_max_ttl token_no_default_policy
    token_num_uses token_period token_ttl ttl version
    """
)


@dataclass(frozen=True, eq=False)
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


def _api(allow: str, *, common: frozenset[str] = _COMMON, user: frozenset[str] = USER_OBJECTS) -> Rules:
    allowed = common | _words(allow)
    return Rules(KEYS | allowed | user, allowed, user, frozenset(("keys", "versions")))


USER = Rules()
BELOW = Rules()  # a user's own, below another object: here an `error` alone is no answer of the API
WRAPPED = Rules()  # an unwrapped answer, told by its shape
LIST = Rules(frozenset(("keys", "key_info")), frozenset(("keys",)), frozenset(("key_info",)))
RAW_ANSWER = Rules(frozenset(("http_content_type", "http_raw_body", "http_status_code")),
                   frozenset(("http_status_code",)))  # fmt: skip
ERROR_ANSWER = Rules(frozenset(("error",)))

# KV version 2, all of its paths: what stands beside the secret's own `data`.
_KV2_METADATA = _words("created_time custom_metadata deletion_time destroyed version")
_KV2_ALLOW = _KV2_METADATA | _words(
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
    last_vault_rotation next_vault_rotation rotation_period rotation_window default_ttl max_open_connections
    max_idle_connections verify_connection skip_static_role_import_rotation
    """
)
_PKI = _api(
    """
    allow_any_name allow_bare_domains allow_glob_domains allow_globs_in_identity_templates allow_ip_sans
    allow_localhost allow_subdomains allow_token_displayname allow_wildcard_certificates allowed_domains_template
    allowed_uri_sans_template enforce_hostnames exclude_cn_from_sans expiration expiry generate_lease key_bits
    client_flag server_flag code_signing_flag email_protection_flag no_store not_after not_before
    not_before_duration require_cn revocation_time signature_bits use_csr_common_name
    use_csr_sans use_pss max_path_length basic_constraints_valid_for_non_ca
    """
)
_TRANSIT = _api(
    """
    allow_plaintext_backup auto_rotate_period deletion_allowed derived exportable imported_key key_version keys
    latest_version min_available_version min_decryption_version min_encryption_version soft_deleted
    supports_decryption supports_derivation supports_encryption supports_signing valid convergent_encryption
    prehashed bits
    """
)
_SYSTEM = _api(
    """
    default_lease_ttl disabled external_entropy_access force force_no_cache hmac increment lease_count local locked
    max_lease_ttl no_default_policy seal_wrap sync tainted deprecated counters total
    """
)
_TOKEN = _api("creation_ttl no_parent no_default_policy increment")
_AUTH = _api(
    """
    secret_id_num_uses secret_id_ttl bind_secret_id local_secret_ids disable_local_ca_jwt disable_iss_validation
    clock_skew_leeway expiration_leeway not_before_leeway verbose_oidc_logging enabled disabled
    """
)
_SSH = _api(
    """
    port allow_user_certificates allow_host_certificates allow_bare_domains allow_subdomains allow_user_key_ids
    allowed_users_template default_user_template key_bits
    """
)
_TOTP = _api("valid digits skew key_size qr_size exported generate")
_IDENTITY = _api("disabled last_update_time entity_creation_time local")
_CLOUD = _api("lease lease_max rotation_period last_vault_rotation")

BY_MOUNT: dict[str, Rules] = {
    "database": _DATABASE,
    "pki": _PKI,
    "transit": _TRANSIT,
    "system": _SYSTEM,
    "token": _TOKEN,
    "ssh": _SSH,
    "totp": _TOTP,
    "identity": _IDENTITY,
    **dict.fromkeys(_words("approle kubernetes jwt oidc userpass ldap cert radius okta github kerberos saml"), _AUTH),
    **dict.fromkeys(_words("aws azure gcp alicloud consul nomad rabbitmq terraform mongodbatlas ad openldap"), _CLOUD),
}
SYSTEM = _SYSTEM
SECRET_ID = _words("secret_id secret_id_accessor secret_id_num_uses secret_id_ttl")

# Names of the entry's own fields: they are the servers' structs, so they are no secret.
FIELDS = _words(
    """
    accessor allowed auth authorization_details client_certificate_serial_number client_id client_token
    client_token_accessor creation_path creation_time data display_name entity_created entity_id error
    external_namespace_policies forwarded forwarded_from granting_policies headers id identity_policies lease_id local
    metadata mount_accessor mount_class mount_is_external_plugin mount_point mount_running_plugin_version
    mount_running_sha256 mount_running_version mount_type name namespace namespace_id namespace_path no_default_policy
    num_uses operation path policies policy_override policy_results redirect remaining_uses remote_address remote_port
    replication_cluster request request_uri response role role_name secret service_account_name
    service_account_namespace service_account_secret_name service_account_uid supplemental_audit_data time token
    token_issue_time token_policies token_ttl token_type ttl type username warnings wrap_info wrap_ttl
    wrapped_accessor
    """
)

# Values of enumerated fields, which say nothing about anybody.
ENUMERATED = _words(
    """
    acl approle auth batch cert create cubbyhole database default delete egp help identity jwt kubernetes kv ldap list
    ns_cubbyhole ns_identity ns_system ns_token oidc patch pki read renew request response revoke rgp rollback root
    scan secret service ssh system token totp transit update userpass
    """
)
