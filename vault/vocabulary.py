"""The words of the vendors' API: which key names may be stored, and which keys' numbers, dates and switches.

Source: the API documentation of HashiCorp Vault 1.5 to 1.21 and of OpenBao 2.0 to 2.7, and recorded audit lines. Vault
hashes strings only; so a number, a date, a switch or a key name is kept when it stands here, and masked otherwise.
"""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Key names of API objects. A key that is not here is masked with everything below it.
KEYS = words(
    """
    access_token_ttl accessor accessor_id accessors account_name accounts acme_account_deleted_count
    acme_account_revoked_count acme_account_safety_buffer acme_directory acme_orders_deleted_count action active
    active_time add_basic_constraints address addresses aead_algorithm after aia_path alg algorithm algorithm_signer
    alias alias_id alias_mount_accessor alias_name alias_name_source aliases allow allow_any_name allow_bare_domains
    allow_commas_in_identity_templates allow_credentials allow_empty_principals allow_expired_cert_revocation
    allow_glob_domains allow_globs_in_identity_templates allow_host_certificates allow_ip_sans allow_localhost
    allow_plaintext_backup allow_role_ext_key_usage allow_rotation allow_slashes_in_identity_templates
    allow_subdomains allow_token_displayname allow_unauthenticated allow_user_certificates allow_user_key_ids
    allow_wildcard_certificates allow_wildcards_in_identity_templates allowed_audiences allowed_client_ids
    allowed_common_names allowed_critical_options allowed_dns_sans allowed_domains allowed_domains_template
    allowed_email_sans allowed_entity_aliases allowed_extensions allowed_headers allowed_ip_sans_cidr allowed_issuers
    allowed_kubernetes_namespace_selector allowed_kubernetes_namespaces allowed_managed_keys
    allowed_metadata_extensions allowed_names allowed_organizational_units allowed_origins allowed_other_sans
    allowed_parameters allowed_policies allowed_policies_glob allowed_redirect_uris allowed_response_headers
    allowed_roles allowed_serial_numbers allowed_uri_sans allowed_uri_sans_template allowed_user_ids
    allowed_user_key_lengths allowed_users allowed_users_template alt_names annotations api_hostname api_token
    approved args assignments associated_data audience audiences audit audit_non_hmac_request_keys
    audit_non_hmac_response_keys auth auth_method_accessors auth_method_types auth_type authorization_code
    authorizations auto_rebuild auto_rebuild_grace_period auto_rotate_period auto_tidy_enabled backend backup barcode
    base_key_name base_key_version base_url basic_constraints_valid_for_non_ca batch_input batch_results
    bind_secret_id binddn bindpass bits block_interval bound_audiences bound_cidr_list bound_cidrs bound_claims
    bound_claims_type bound_issuer bound_service_account_names bound_service_account_namespace_selector
    bound_service_account_namespaces bound_subject builtin bundle bytes ca ca_chain ca_info canonical_id capabilities
    cas cas_required case_insensitive_names cel_program cert_store_deleted_count cert_type certificate
    certificate_chain certificates challenge cidr_list cidrs ciphertext ciphertexts cl claim_mappings classes
    client_ca_pem client_credentials client_flag client_id client_nonce client_secret client_token client_type
    clock_skew_leeway cluster cluster_id cluster_name cluster_role_binding cn cn_validations code code_challenge
    code_challenge_method code_signing_flag code_verifier command commit_date common_name complete components
    compressed compression_type conf config conflicting_alias_ids_to_keep connection_details connection_uri
    connection_url context convergent_encryption count counters country counts cpu cpu_times created_on created_time
    creation_path creation_statements creation_time creation_ttl credential_config credential_type critical_options
    crl crl_distribution_points crl_number crls csr current_cert_store_count current_metadata_version
    current_revoked_cert_count current_version custom_metadata data database date days db_name declarative default
    default_critical_options default_directory_policy default_extensions default_extensions_template
    default_follows_latest_issuer default_issuer default_lease_ttl default_role default_ttl default_user
    default_user_template delete_version_after deleted deletion_allowed deletion_time delta_crl_base_number
    delta_crl_distribution_points delta_rebuild_interval deprecation_status derived derived_key_type description
    destination destroyed detailed digits direct_group_ids disable disable_binding disable_expiration
    disable_iss_validation disable_local_ca_jwt disable_upsert disabled disallowed_policies disallowed_policies_glob
    disk display_name dn_pattern dns_resolver dst eab_policy effective_max_ttl email email_protection_flag enable
    enable_aia_url_templating enable_delta enable_identity_alias_metadata enable_rate_limit_audit_logging
    enable_rate_limit_response_headers enable_templating enabled encoded_root_token encoded_token encoding encryption
    encryptions enforce_hostnames engine entities entity entity_alias entity_creation_time entity_id entity_ids
    entity_type env environment error errors exact_paths exclude_cidr_list exclude_cn_from_sans existing_issuers
    existing_keys exp expiration expiration_leeway expiration_time expire_time expire_time_seconds expiry
    explicit_max_ttl exportable exported ext_key_usage ext_key_usage_oids extensions external_entropy_access
    external_id external_key_ref external_namespace_policies extra_annotations extra_labels fingerprint force
    force_no_cache format from from_entity_ids generate generate_lease generate_signing_key generated
    generated_role_rules glob_paths grant_type group group_by group_ids groups groups_claim ha_enabled hash
    hash_algorithm hash_function headers help hmac host hosts hour http_content_type http_raw_body http_status_code id
    id_token id_token_ttl identifier identity_entity_ids identity_group_ids identity_policies imported_issuers
    imported_key imported_keys include_consul_namespace increment inheritable inherited_group_ids initialized input
    install_time integration_key internal_backend_uuid interval interval_duration ip ip_sans is_self issue_time issuer
    issuer_id issuer_name issuer_ref issuer_safety_buffer issuers issuing_ca issuing_certificates jwks_ca_pem jwks_url
    jwt jwt_supported_algs jwt_validation_pubkeys key key_bits key_derivation_algorithm key_id key_id_format
    key_idle_timeout key_info key_name key_option_default key_option_list key_ref key_shares key_size key_threshold
    key_type key_usage key_version keys kid kubernetes_ca_cert kubernetes_host kubernetes_namespace
    kubernetes_role_name kubernetes_role_type labels last_auto_tidy_finished last_renewal last_renewal_time
    last_rotation_tolerance last_update_time last_updated_time last_vault_rotation latest_version leader_address
    leader_cluster_address leaf_not_after_behavior lease lease_count lease_duration lease_id lease_max leases length
    level limit list listing_visibility local local_secret_ids locality locked locked_users
    maintain_stored_certificate_counts manual_chain mapping marshaling_algorithm max_age max_connection_lifetime
    max_idle_connections max_lease_ttl max_open_connections max_operations max_path_length max_ttl
    max_validation_attempts max_versions member_entity_ids member_group_ids members memory merged_entity_ids message
    meta metadata metadata_cas metadata_cas_required method method_id method_name mfa_method_ids mfa_payload
    mfa_request_id migration migration_id migration_info min_available_version min_decryption_version
    min_encryption_version missing_issuer_cert_count mode modified month mount_accessor mount_path mount_point
    mount_type mounts multivalue name name_template names namespace namespace_id namespace_in_state namespace_path
    next_update next_vault_rotation no_default_policy no_parent no_store nodes nonce not_after not_after_bound
    not_before not_before_bound not_before_duration not_before_leeway nounce num_uses oci ocsp_ca_certificates
    ocsp_cache_size ocsp_disable ocsp_enabled ocsp_expiry ocsp_fail_open ocsp_query_all_servers ocsp_servers
    ocsp_servers_override oidc_client_id oidc_client_secret oidc_discovery_ca_pem oidc_discovery_url
    oidc_response_mode oidc_response_types oldest_version openapi openssl_version operation options org_name
    organization orphan other_sans otp otp_length ou override_allowed_server_names override_mfa page_size parameters
    parent_group_ids partial_failure_response_code partition pass passthrough_request_headers password
    password_authentication password_credential_type password_hash password_policy path path_suffix paths
    pause_duration payload peer_public_key pem_bundle pem_keys period permissions permitted_dns_domains persona
    pgp_fingerprint pgp_fingerprints pgp_key pgp_keys plaintext plaintexts plugin plugin_args plugin_command
    plugin_name plugin_type plugin_version plugins policies policy policy_identifiers port postal_code prefix
    prehashed primary_email principal private_key private_key_format private_key_type production progress protected
    provider provider_config province public_key public_key_pem publish_stored_certificate_count_metrics push_info
    qr_size raft_applied_index raft_committed_index random_bytes rate rate_limit_exempt_paths recommended
    recovery_keys recovery_pgp_keys recovery_seal recovery_seal_type recovery_shares recovery_threshold redirect_uri
    redirect_uris reference reload_id remaining remove_roots_from_chain renew renew_statements renewable renewals
    request request_data request_entity request_operation request_path require_cn
    require_matching_certificate_algorithms require_verification required required_extensions reset response_type
    responses revocation_signature_algorithm revocation_statements revocation_time revoke_error revoked
    revoked_cert_deleted_count revoked_certs revoked_safety_buffer role role_arns role_id role_name role_type roles
    rollback_statements root root_rotation_statements root_token_pgp_key rotation_period rotation_schedule
    rotation_statements rotation_window rules running_plugin_version safety_buffer salt_length scan
    schema scope scopes scopes_supported seal seal_wrap sealed secret secret_id secret_id_accessor secret_id_accessors
    secret_id_bound_cidrs secret_id_num_uses secret_id_ttl secret_key secret_path secret_shares secret_threshold
    security_token see_also self serial serial_number server_flag service_account_jwt service_account_name set_default
    signature signature_algorithm signature_bits signed_key size skew skid skip_jwks_validation
    skip_static_role_import_rotation soft_deleted source src ssh_type started state statement statements status
    storage_type street_address sub subject subject_key_id subkeys success sum sum_algorithm supported
    supports_decryption supports_derivation supports_encryption supports_signing sync system tags tainted target
    template term tidy tidy_acme tidy_cert_store tidy_expired_issuers tidy_invalid_certs tidy_move_legacy_ca_bundle
    tidy_revocation_list tidy_revoked_cert_issuer_associations tidy_revoked_certs time time_finished time_started
    timestamp title tls_ca tls_certificate_key to_entity_id token token_accessor token_bound_certs token_bound_cidrs
    token_default_audiences token_default_ttl token_explicit_max_ttl token_max_ttl token_no_default_policy
    token_num_uses token_period token_policies token_reviewer_jwt token_strictly_bind_ip token_ttl token_type topic
    total total_acme_account_count total_recovery ttl ttl_seconds type unix_time unlock_key update_time uri_sans url
    url_lease_id urlalgorithm urlbytes urls usage use_csr_common_name use_csr_sans use_csr_values use_passcode use_pss
    user user_claim user_claim_json_pointer user_claims user_ids user_lockout_config
    user_lockout_counter_reset_duration user_lockout_disable user_lockout_duration user_lockout_threshold userfilter
    username username_format username_template uuid valid valid_before valid_principals value values vault_metadata
    verbose_oidc_logging verification_nonce verification_required verification_ttl verify verify_connection version
    version_template versions vhost_topics vhosts view warning warnings workflow wrap_info wrap_ttl wrapped_accessor
    year zones
    """
)

# Objects whose keys and values are chosen by users, wherever they stand.
USER_OBJECTS = words(
    """
    alias_metadata allowed_parameters annotations args auth_metadata bound_claims claim_mappings connection_details
    credential_config critical_options custom_metadata default_critical_options default_extensions env extensions
    extra_annotations extra_labels key_info labels mapping meta metadata mfa_payload openapi options parameters
    payload permissions provider_config request_data required_extensions user_claims values vault_metadata
    """
)

# Numbers, dates and switches that any mount of the API may keep.
COMMON = words(
    """
    creation_time creation_ttl expire_time explicit_max_ttl issue_time last_renewal last_renewal_time lease_duration
    max_ttl num_uses orphan period renewable token_explicit_max_ttl token_max_ttl token_no_default_policy
    token_num_uses token_period token_ttl ttl version
    """
)

# Names of the entry's own fields: they are the servers' structs, so they are no secret.
FIELDS = words(
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
ENUMERATED = words(
    """
    acl approle auth batch cert create cubbyhole database default delete egp help identity jwt kubernetes kv ldap list
    ns_cubbyhole ns_identity ns_system ns_token oidc patch pki read renew request response revoke rgp rollback root
    scan secret service ssh system token totp transit update userpass
    """
)
