# Who gets into a role. A statement for each repository, so that its id and its workflows belong to its subjects and to no
# other repository's; a second one for environments that are held to a ref, and a third for patterns. `aud` and `sub` are in
# each of them.
#
# What a subject looks like is GitHub's ("OpenID Connect reference"):
#   repo:OWNER/REPO:ref:refs/heads/BRANCH   repo:OWNER/REPO:environment:NAME   repo:OWNER/REPO:pull_request
# and, for repositories made, renamed or moved after 15 July 2026, repo:OWNER@ID/REPO@ID:...
#
# Beside `aud` and `sub` AWS knows some of GitHub's claims since January 2026, those used here among them: `repository_id`,
# `ref`, `job_workflow_ref`. Where it does not know one, nobody gets in: a key that is not there equals nothing.

locals {
  # By role and repository: what a subject begins with, and what it ends with.
  trusted = {
    for key, role in var.roles : key => [
      for name, repository in role.repositories : {
        prefixes = compact([
          repository.subject == "immutable" ? "" : "repo:${name}",
          repository.subject == "name" || repository.dangerous_name_alone ? "" : "repo:${replace(name, "/", "@${repository.owner_id}/")}@${repository.repository_id}",
        ])
        exact = concat(
          [for branch in repository.branches : "ref:refs/heads/${branch}" if !endswith(branch, "*")],
          [for tag in repository.tags : "ref:refs/tags/${tag}" if !endswith(tag, "*")],
          repository.pull_requests ? ["pull_request"] : [],
          repository.environment_refs == null ? local.encoded[key][name] : [],
        )
        held = repository.environment_refs == null ? [] : local.encoded[key][name]
        like = concat(
          [for branch in repository.branches : "ref:refs/heads/${branch}" if endswith(branch, "*")],
          [for tag in repository.tags : "ref:refs/tags/${tag}" if endswith(tag, "*")],
          repository.any_ref ? ["*"] : [],
        )
        refs = repository.environment_refs
        # In every statement of this repository. An immutable subject holds the ids itself.
        always = merge(
          { "${local.host}:aud" = var.audience },
          repository.dangerous_name_alone || repository.subject == "immutable" ? {} : { "${local.host}:repository_id" = repository.repository_id },
          length(repository.reusable_workflows) == 0 ? {} : { "${local.host}:job_workflow_ref" = repository.reusable_workflows },
        )
      }
    ]
  }

  # GitHub writes the colon of an environment's name so.
  encoded = {
    for key, role in var.roles : key => {
      for name, repository in role.repositories : name => [for e in repository.environments : "environment:${replace(e, ":", "%3A")}"]
    }
  }

  conditions = {
    for key, repositories in local.trusted : key => flatten([
      for repository in repositories : [
        for condition in [
          {
            when   = length(repository.exact) > 0
            equals = merge(repository.always, { "${local.host}:sub" = [for s in setproduct(repository.prefixes, repository.exact) : join(":", s)] })
            like   = {}
          },
          {
            when = length(repository.held) > 0
            equals = merge(repository.always, {
              "${local.host}:sub" = [for s in setproduct(repository.prefixes, repository.held) : join(":", s)]
              "${local.host}:ref" = repository.refs
            })
            like = {}
          },
          {
            when   = length(repository.like) > 0
            equals = repository.always
            like   = { "${local.host}:sub" = [for s in setproduct(repository.prefixes, repository.like) : join(":", s)] }
          },
        ] : condition if condition.when
      ]
    ])
  }

  trust_policies = {
    for key, conditions in local.conditions : key => jsonencode({
      Version = "2012-10-17"
      Statement = [
        for condition in conditions : {
          Effect    = "Allow"
          Principal = { Federated = local.provider_arn }
          Action    = "sts:AssumeRoleWithWebIdentity"
          Condition = { for operator, keys in { StringEquals = condition.equals, StringLike = condition.like } : operator => keys if length(keys) > 0 }
        }
      ]
    })
  }
}
