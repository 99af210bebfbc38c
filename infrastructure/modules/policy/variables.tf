variable "name" {
  description = "Name of the deployment: the parameter is `/NAME/policy`, a secret begins with `NAME/policy-`."
  type        = string
}

variable "file" {
  description = "The policy, YAML or JSON, relative to where tofu runs."
  type        = string

  validation {
    condition     = fileexists(var.file)
    error_message = "There is no policy file at this path. vars/policy.yaml.example is one to begin with; every request is refused without a policy."
  }
  validation {
    condition     = fileexists(var.file) ? can(yamldecode(file(var.file)).version) : true
    error_message = "The policy file is no YAML or JSON object with a `version`: `countersign policy check FILE` says where and why."
  }
}

variable "writer_role_arns" {
  description = "For a policy in a secret: the only roles that may write it. Without any, everybody whose own policy allows it."
  type        = list(string)
  default     = []
}
