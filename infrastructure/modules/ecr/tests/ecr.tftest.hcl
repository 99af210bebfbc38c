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
  name       = "countersign"
  region     = "eu-central-1"
  account_id = "123456789012"
  partition  = "aws"
}

run "one_repository_for_each_function" {
  command = plan

  assert {
    condition     = toset([for r in aws_ecr_repository.this : r.name]) == toset(["countersign/jwt-issuer", "countersign/jwks", "countersign/key-rotator"])
    error_message = "a repository is NAME/FUNCTION"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_tag_mutability == "IMMUTABLE"])
    error_message = "a tag can be given to another image"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.image_scanning_configuration[0].scan_on_push])
    error_message = "images are not scanned"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.encryption_configuration[0].encryption_type == "AES256"])
    error_message = "without a key of one's own it is ECR's"
  }
  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : !r.force_delete])
    error_message = "a destroy takes images with it unasked"
  }
}

run "only_its_own_function_pulls" {
  command = plan

  assert {
    condition = alltrue([
      for function, p in aws_ecr_repository_policy.this : jsondecode(p.policy) == {
        Version = "2012-10-17"
        Statement = [{
          Sid       = "OnlyItsFunctionPulls"
          Effect    = "Allow"
          Principal = { Service = "lambda.amazonaws.com" }
          Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
          Condition = {
            StringEquals = { "aws:SourceAccount" = "123456789012" }
            ArnLike = {
              "aws:SourceArn" = [for end in ["", ":*"] : "arn:aws:lambda:eu-central-1:123456789012:function:countersign-${function}${end}"]
            }
          }
        }]
      }
    ])
    error_message = "the policy lets in something else than Lambda, for the function of the repository"
  }
}

run "old_images_go" {
  command = plan

  variables {
    keep_images   = 5
    untagged_days = 3
  }

  assert {
    condition = alltrue([
      for l in aws_ecr_lifecycle_policy.this : [for r in jsondecode(l.policy).rules : [r.selection.tagStatus, r.selection.countNumber]] == [["untagged", 3], ["any", 5]]
    ])
    error_message = "the untagged go first, then all but the newest"
  }
}

run "a_key_of_ones_own" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition     = alltrue([for r in aws_ecr_repository.this : r.encryption_configuration[0].encryption_type == "KMS" && r.encryption_configuration[0].kms_key == var.kms_key_arn])
    error_message = "the key is not used"
  }
}

run "what_cannot_be" {
  command = plan

  variables {
    name          = "Countersign"
    functions     = []
    account_id    = "12345"
    kms_key_arn   = "alias/images"
    keep_images   = 1
    untagged_days = 0
  }

  expect_failures = [var.name, var.functions, var.account_id, var.kms_key_arn, var.keep_images, var.untagged_days]
}
