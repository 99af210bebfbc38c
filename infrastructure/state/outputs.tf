output "backend" {
  description = "Content of infrastructure/backend.tf: `tofu output -raw backend > ../backend.tf`."
  value = join("", [for line in concat(
    [
      "terraform {",
      "  backend \"s3\" {",
      "    bucket       = \"${aws_s3_bucket.state.bucket}\"",
      "    key          = \"${var.key}\"",
      "    region       = \"${var.region}\"",
      "    encrypt      = true",
    ],
    var.kms_key_arn == null ? [] : ["    kms_key_id   = \"${var.kms_key_arn}\""],
    [
      "    use_lockfile = true",
      "  }",
      "}",
    ],
  ) : "${line}\n"])

  # A state that is put there before may be unencrypted, or have no versions.
  depends_on = [
    aws_s3_bucket_server_side_encryption_configuration.state,
    aws_s3_bucket_versioning.state,
    aws_s3_bucket_public_access_block.state,
  ]
}

output "bucket" {
  description = "Name of the bucket."
  value       = aws_s3_bucket.state.bucket
}
