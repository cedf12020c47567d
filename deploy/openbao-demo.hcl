# The demo's OpenBao (profile `demo`): a file audit device that the worker may read. Never log to 0644 in production.
audit "file" "file" {
  options = { file_path = "/var/log/vault/audit.log", mode = "0644" }
}
