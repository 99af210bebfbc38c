# Plans only, with the real provider and no server: nothing here asks AWS.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  region = "eu-central-1"
  bucket = "acme-states"
}

run "nobody_else_reads_it" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket_public_access_block.state.block_public_acls && aws_s3_bucket_public_access_block.state.block_public_policy &&
      aws_s3_bucket_public_access_block.state.ignore_public_acls && aws_s3_bucket_public_access_block.state.restrict_public_buckets
    )
    error_message = "public access is not blocked"
  }
  assert {
    condition     = aws_s3_bucket_ownership_controls.state.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "objects can belong to somebody else"
  }
}

run "only_tls" {
  command = plan

  assert {
    condition = [for s in jsondecode(aws_s3_bucket_policy.state.policy).Statement : [s.Effect, s.Principal, s.Action, s.Condition]] == [
      ["Deny", "*", "s3:*", { Bool = { "aws:SecureTransport" = "false" } }],
      ["Deny", "*", "s3:*", { NumericLessThan = { "s3:TlsVersion" = "1.2" } }],
    ]
    error_message = "the bucket's policy is another one"
  }
  assert {
    condition     = alltrue([for s in jsondecode(aws_s3_bucket_policy.state.policy).Statement : s.Resource == ["arn:aws:s3:::acme-states", "arn:aws:s3:::acme-states/*"]])
    error_message = "a denial is not for the bucket and all that is in it"
  }
}

run "a_state_can_be_brought_back" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled"
    error_message = "no versions are kept"
  }
  assert {
    condition = (
      aws_s3_bucket_lifecycle_configuration.state.rule[0].noncurrent_version_expiration[0].noncurrent_days == 90 &&
      aws_s3_bucket_lifecycle_configuration.state.rule[0].noncurrent_version_expiration[0].newer_noncurrent_versions == 20
    )
    error_message = "old versions go too early"
  }
  assert {
    # A date or a number of days would be the end of the states themselves.
    condition = (
      try(aws_s3_bucket_lifecycle_configuration.state.rule[0].expiration[0].days, 0) == 0 &&
      aws_s3_bucket_lifecycle_configuration.state.rule[0].expiration[0].date == null
    )
    error_message = "the newest version expires"
  }
}

run "encrypted_by_s3" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "without a key of one's own it is S3's encryption"
  }
  assert {
    condition     = output.backend == <<-EOT
      terraform {
        backend "s3" {
          bucket       = "acme-states"
          key          = "countersign/terraform.tfstate"
          region       = "eu-central-1"
          encrypt      = true
          use_lockfile = true
        }
      }
    EOT
    error_message = "backend.tf is not what it was: ${output.backend}"
  }
}

run "encrypted_with_a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.state.rule).bucket_key_enabled &&
      one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      one(aws_s3_bucket_server_side_encryption_configuration.state.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    )
    error_message = "the key is not used"
  }
  assert {
    condition     = strcontains(output.backend, "\n    kms_key_id   = \"${var.kms_key_arn}\"\n")
    error_message = "backend.tf does not name the key: ${output.backend}"
  }
}

run "what_cannot_be" {
  command = plan

  variables {
    region          = "Frankfurt"
    bucket          = "acme.states"
    key             = "/countersign"
    kms_key_arn     = "alias/states"
    noncurrent_days = 0
    keep_versions   = 0
  }

  expect_failures = [var.region, var.bucket, var.key, var.kms_key_arn, var.noncurrent_days, var.keep_versions]
}
