# Plans only, with the real provider and no server: nothing here asks AWS. Whom the trust policies of golden/ let in, and what
# the others allow, is judged claim by claim in crates/testkit/tests/github_oidc.rs.

provider "aws" {
  region                      = "eu-central-1"
  access_key                  = "test"
  secret_key                  = "test"
  skip_credentials_validation = true
  skip_requesting_account_id  = true
  skip_metadata_api_check     = true
}

variables {
  name                 = "github-acme"
  account_id           = "111122223333"
  partition            = "aws"
  permissions_boundary = "arn:aws:iam::111122223333:policy/ci-boundary"

  roles = {
    deploy = {
      repositories = {
        "acme/app" = {
          owner_id      = 1234
          repository_id = 5678
          branches      = ["main", "release/*"]
          tags          = ["v*"]
          environments  = ["production", "Production:V1"]
        }
      }
      lambda_functions = ["arn:aws:lambda:eu-central-1:111122223333:function:app"]
      s3_prefixes = [
        { bucket = "acme-releases", prefix = "releases/app/", write = true },
        { bucket = "acme-shared", prefix = "app/", write = true, delete = true, account_id = "444455556666" },
        { bucket = "acme-releases", prefix = "base/" },
      ]
      pass_roles = [{ role_arns = ["arn:aws:iam::111122223333:role/app"], service = "lambda.amazonaws.com" }]
    }
    held = {
      repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, environments = ["production"], environment_refs = ["refs/heads/main"], tags = ["v1"] } }
    }
    pulls = {
      repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, pull_requests = true } }
    }
    shared-workflow = {
      repositories = {
        "acme/app" = {
          owner_id           = 1234
          repository_id      = 5678
          any_ref            = true
          reusable_workflows = ["acme/workflows/.github/workflows/deploy.yml@refs/heads/main"]
        }
      }
    }
    narrowed = {
      repositories = {
        "acme/app" = {
          owner_id           = 1234
          repository_id      = 5678
          branches           = ["main"]
          reusable_workflows = ["acme/workflows/.github/workflows/deploy.yml@refs/tags/v1", "acme/workflows/.github/workflows/deploy.yml@0123456789abcdef0123456789abcdef01234567"]
        }
      }
    }
    several = {
      repositories = {
        "acme/app"   = { owner_id = 1234, repository_id = 5678, branches = ["main"] }
        "acme/tools" = { owner_id = 1234, repository_id = 9999, tags = ["main"] }
      }
    }
    immutable = {
      repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, subject = "immutable", branches = ["main"] } }
    }
    by-name = {
      repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, subject = "name", branches = ["main"] } }
    }
    name-alone = {
      repositories = { "acme/app" = { dangerous_name_alone = true, branches = ["main"] } }
    }
  }
}

run "who_gets_in_and_what_is_allowed" {
  command = plan

  assert {
    condition     = { for key, policy in output.trust_policies : key => jsondecode(policy) } == jsondecode(file("tests/golden/trust.json"))
    error_message = "a trust policy is not that of golden/trust.json"
  }
  assert {
    condition     = { for key, policy in output.access_policies : key => jsondecode(policy) if policy != "" } == jsondecode(file("tests/golden/access.json"))
    error_message = "an access policy is not that of golden/access.json"
  }
  assert {
    condition     = { for key, role in aws_iam_role.this : key => role.assume_role_policy } == output.trust_policies
    error_message = "a role has another trust policy than the output says"
  }
  assert {
    condition     = { for key, policy in aws_iam_role_policy.access : key => jsondecode(policy.policy) } == jsondecode(file("tests/golden/access.json"))
    error_message = "a role has another policy than the output says"
  }
  assert {
    condition     = length(aws_iam_role_policy.inline) == 0 && length(aws_iam_role_policy_attachment.managed) == 0
    error_message = "a role was given what nobody asked for"
  }
}

run "every_statement_has_an_audience_and_a_subject" {
  command = plan

  assert {
    condition = alltrue(flatten([
      for policy in output.trust_policies : [
        for s in jsondecode(policy).Statement : [
          s.Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com",
          can(s.Condition.StringEquals["token.actions.githubusercontent.com:sub"]) != can(s.Condition.StringLike["token.actions.githubusercontent.com:sub"]),
        ]
      ]
    ]))
    error_message = "a statement without aud, or without sub"
  }
}

run "roles_and_provider" {
  command = plan

  variables {
    roles = {
      one = {
        repositories         = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }
        permissions_boundary = "arn:aws:iam::111122223333:policy/tighter"
        max_session_duration = 7200
        managed_policy_arns  = ["arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::111122223333:policy/more"]
        inline_policy        = "{\"Version\":\"2012-10-17\",\"Statement\":[]}"
      }
      two = { repositories = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }, description = "Two" }
    }
  }

  assert {
    condition     = [for role in aws_iam_role.this : [role.name, role.description]] == [["github-acme-one", "GitHub workflows of acme/app"], ["github-acme-two", "Two"]]
    error_message = "names or descriptions"
  }
  assert {
    condition     = [for role in aws_iam_role.this : role.permissions_boundary] == ["arn:aws:iam::111122223333:policy/tighter", "arn:aws:iam::111122223333:policy/ci-boundary"]
    error_message = "a role has its own boundary, or else the module's"
  }
  assert {
    condition     = [for role in aws_iam_role.this : role.max_session_duration] == [7200, 3600]
    error_message = "a session lasts an hour unless a role says otherwise"
  }
  assert {
    condition     = [for a in aws_iam_role_policy_attachment.managed : [a.role, a.policy_arn]] == [["github-acme-one", "arn:aws:iam::aws:policy/ReadOnlyAccess"], ["github-acme-one", "arn:aws:iam::111122223333:policy/more"]]
    error_message = "the managed policies"
  }
  assert {
    condition     = { for key, policy in aws_iam_role_policy.inline : key => policy.role } == { one = "github-acme-one" } && length(aws_iam_role_policy.access) == 0
    error_message = "the inline policy"
  }
  assert {
    condition     = aws_iam_openid_connect_provider.github[0].url == "https://token.actions.githubusercontent.com" && aws_iam_openid_connect_provider.github[0].client_id_list == toset(["sts.amazonaws.com"])
    error_message = "the provider"
  }
  assert {
    condition     = length(data.aws_iam_openid_connect_provider.github) == 0
    error_message = "the provider is made, and looked for as well"
  }
}

run "a_provider_that_is_there_is_left_alone" {
  command = plan

  variables {
    create_provider = false
  }

  override_data {
    target = data.aws_iam_openid_connect_provider.github[0]
    values = { client_id_list = ["https://github.com/acme", "sts.amazonaws.com"] }
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0
    error_message = "a provider that somebody else owns is in the plan"
  }
  assert {
    condition     = output.provider_arn == "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
    error_message = "the roles trust another provider"
  }
  assert {
    condition     = { for key, policy in output.trust_policies : key => jsondecode(policy) } == jsondecode(file("tests/golden/trust.json"))
    error_message = "whom the roles trust does not depend on who made the provider"
  }
}

run "a_provider_that_does_not_take_the_audience" {
  command = plan

  variables {
    create_provider = false
  }

  override_data {
    target = data.aws_iam_openid_connect_provider.github[0]
    values = { client_id_list = ["https://github.com/acme"] }
  }

  expect_failures = [data.aws_iam_openid_connect_provider.github]
}

run "another_audience_and_partition" {
  command = plan

  variables {
    audience  = "https://github.com/acme"
    partition = "aws-us-gov"
  }

  assert {
    condition = alltrue(flatten([
      for policy in output.trust_policies : [
        for s in jsondecode(policy).Statement : s.Condition.StringEquals["token.actions.githubusercontent.com:aud"] == "https://github.com/acme" && s.Principal.Federated == "arn:aws-us-gov:iam::111122223333:oidc-provider/token.actions.githubusercontent.com"
      ]
    ]))
    error_message = "a statement takes another audience or provider"
  }
  assert {
    condition     = aws_iam_openid_connect_provider.github[0].client_id_list == toset(["https://github.com/acme"])
    error_message = "the provider takes another audience"
  }
}

run "no_boundary_if_somebody_says_so" {
  command = plan

  variables {
    permissions_boundary = null
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.this : role.permissions_boundary == null])
    error_message = "null is none"
  }
}

# Five environments of three repositories, by name and by ids.
run "a_trust_policy_that_is_too_long" {
  command = plan
  variables {
    roles = {
      deploy = {
        repositories = {
          for name in ["acme/app", "acme/tools", "acme/site"] : name => { owner_id = 1234, repository_id = 5678, environments = [for n in range(5) : "environment-${n}"] }
        }
      }
    }
  }
  expect_failures = [aws_iam_role.this]
}

run "the_same_with_a_higher_quota" {
  command = plan
  variables {
    trust_policy_quota = 4096
    roles = {
      deploy = {
        repositories = {
          for name in ["acme/app", "acme/tools", "acme/site"] : name => { owner_id = 1234, repository_id = 5678, environments = [for n in range(5) : "environment-${n}"] }
        }
      }
    }
  }
}

run "inline_policies_that_are_too_long" {
  command = plan
  variables {
    roles = {
      deploy = {
        repositories  = { "acme/app" = { owner_id = 1234, repository_id = 5678, branches = ["main"] } }
        inline_policy = jsonencode({ Version = "2012-10-17", Statement = [for n in range(400) : { Effect = "Deny", Action = "s3:*" }] })
      }
    }
  }
  expect_failures = [aws_iam_role.this]
}
