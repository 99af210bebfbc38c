output "role_arns" {
  description = "The roles, by use."
  value       = module.roles.role_arns
}

output "deployer_role_arn" {
  description = "What goes into the deployment's deployer_role_arns, or every apply sends messages."
  value       = module.roles.role_arns["apply"]
}

output "trust_policies" {
  description = "Who gets into each role, by use: for `countersign trust lint`."
  value       = module.roles.trust_policies
}

output "settings" {
  description = "The environments and variables on GitHub, as commands: `tofu output -raw settings | sh`. An environment that is there is left as it is, and reviewers are yours to add."
  value = join("", [for line in concat(
    flatten([
      for environment in distinct([for use in keys(module.roles.role_arns) : local.environments[use]]) : [
        "gh api --silent repos/${var.repository}/environments/${environment} 2>/dev/null || ${startswith(environment, "plan-") ?
          "gh api --silent -X PUT repos/${var.repository}/environments/${environment}" :
          join(" && ", [
            "{ gh api --silent -X PUT repos/${var.repository}/environments/${environment} -F 'deployment_branch_policy[protected_branches]=false' -F 'deployment_branch_policy[custom_branch_policies]=true'",
            "gh api --silent repos/${var.repository}/environments/${environment}/deployment-branch-policies -f name=${var.branch} -f type=branch; }",
          ])
        }",
        "gh variable set AWS_REGION --repo ${var.repository} --env ${environment} --body ${var.region}",
      ]
    ]),
    [
      for use, arn in module.roles.role_arns :
      "gh variable set AWS_${upper(use)}_ROLE_ARN --repo ${var.repository} --env ${local.environments[use]} --body ${arn}"
    ],
  ) : "${line}\n"])
}
