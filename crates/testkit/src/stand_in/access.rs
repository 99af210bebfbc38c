//! Who else may: read the ring, invoke the functions, and do what the organisation's policy is there to forbid.

use super::checks::Run;
use super::scenario::{DEPLOYER, OPERATOR, REGION};
use super::state::State;
use super::{Site, after};
use crate::aws::ACCOUNT;
use crate::iam::{Caller, Context, Document, Request, Verdict};

impl Site<'_> {
    /// Everybody that the deployment does not name is kept out, whatever their own policies allow.
    pub(super) fn keeps_others_out(&self, state: &State) -> Run<()> {
        self.ring(state)?;
        self.invocations(state)?;
        self.organization(state)
    }

    fn ring(&self, state: &State) -> Run<()> {
        let secret = state.output("signing_key_secret_arn")?;
        let role = |key: &str| {
            Ok::<_, String>(format!("arn:aws:iam::{ACCOUNT}:role/{}", state.output_of("function_names", key)?))
        };
        let (issuer, rotator) = (role("jwt_issuer")?, role("key_rotator")?);
        let administrator = format!("arn:aws:iam::{ACCOUNT}:role/administrator");
        for (who, action, may) in [
            (&administrator, "GetSecretValue", false),
            (&administrator, "PutSecretValue", false),
            (&administrator, "UpdateSecretVersionStage", false),
            (&administrator, "ReplicateSecretToRegions", false),
            (&role("jwks")?, "GetSecretValue", false),
            (&DEPLOYER.to_owned(), "GetSecretValue", false),
            (&OPERATOR.to_owned(), "GetSecretValue", false),
            (&issuer, "GetSecretValue", true),
            (&issuer, "PutSecretValue", false),
            (&rotator, "GetSecretValue", true),
            (&rotator, "PutSecretValue", true),
            (&OPERATOR.to_owned(), "UpdateSecretVersionStage", true),
            (&administrator, "DescribeSecret", true),
        ] {
            // Even with a policy of its own that allows everything.
            let decision = self.deployed.may_with_secret(who, &format!("secretsmanager:{action}"), &secret)?;
            let name = format!("{} {} {action} the ring", after(who, "role/"), if may { "may" } else { "may not" });
            self.checks.holds(&name, decision.is_allowed() == may, format!("{decision:?}"));
        }
        Ok(())
    }

    fn invocations(&self, state: &State) -> Run<()> {
        let name = |key: &str| state.output_of("function_names", key);
        let (issuer, jwks, rotator) = (name("jwt_issuer")?, name("jwks")?, name("key_rotator")?);
        let (api, stage) = (state.output("api_id")?, state.output("stage_name")?);
        let route = |api: &str, rest: &str| format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{api}/{rest}");
        let secret = format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:another-AbCdEf");
        let (gateway, secrets) = ("apigateway.amazonaws.com", "secretsmanager.amazonaws.com");
        for (service, source, function) in [
            (gateway, route("other12345", &format!("{stage}/POST/token")), &issuer),
            (gateway, route(&api, &format!("{stage}/GET/token")), &issuer),
            (gateway, route(&api, "test-invoke-stage/POST/token"), &issuer),
            (gateway, route(&api, &format!("{stage}/POST/token/more")), &issuer),
            (gateway, route(&api, &format!("{stage}/POST/token")), &jwks),
            (gateway, route(&api, &format!("{stage}/POST/.well-known/jwks")), &jwks),
            (gateway, route(&api, &format!("{stage}/POST/token")), &rotator),
            (secrets, secret, &rotator),
            ("s3.amazonaws.com", "arn:aws:s3:::bucket".to_owned(), &issuer),
            ("events.amazonaws.com", format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/another"), &rotator),
        ] {
            // The alias is what permissions belong to where there is one.
            let function = invoked_as(function, state);
            let decision = self.deployed.may_invoke(service, &source, &function)?;
            let name = format!("{service} for {} may not invoke {function}", after(&source, &format!("{ACCOUNT}:")));
            self.checks.holds(&name, !decision.is_allowed(), format!("{decision:?}"));
        }
        Ok(())
    }

    /// The service control policies, against an administrator whom everything else lets in. From here on all that functions
    /// do is done under them.
    fn organization(&self, state: &State) -> Run<()> {
        let policy = |output: &str| {
            Document::parse(&state.output(output)?).map_err(|error| format!("the output {output}: {error}"))
        };
        let policies = vec![policy("scp")?, policy("scp_deployment")?];
        self.deployed.put_under(policies.clone());
        let function = |key: &str| {
            let name = state.output_of("function_names", key)?;
            Ok::<_, String>(format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"))
        };
        let parameter = |name: &str| format!("arn:aws:ssm:{REGION}:{ACCOUNT}:parameter{name}");
        let keys = parameter(&state.output("jwks_parameter")?);
        let route = format!("arn:aws:apigateway:{REGION}::/restapis/{}/resources/x", state.output("api_id")?);
        let forged = format!("arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_Admin_0123456789abcdef");
        let issuer = format!("arn:aws:iam::{ACCOUNT}:role/{}", state.output_of("function_names", "jwt_issuer")?);
        let (administrator, operator, deployer) = ("administrator", "operators/keys", "deployers/tofu");
        for (who, action, on, denied) in [
            (administrator, "lambda:InvokeFunction", function("jwt_issuer")?, true),
            (deployer, "lambda:InvokeFunction", function("jwt_issuer")?, true),
            (administrator, "lambda:InvokeFunction", function("key_rotator")?, true),
            (operator, "lambda:InvokeFunction", function("key_rotator")?, false),
            (administrator, "secretsmanager:GetSecretValue", state.output("signing_key_secret_arn")?, true),
            (administrator, "secretsmanager:RotateSecret", state.output("signing_key_secret_arn")?, true),
            (administrator, "ssm:PutParameter", keys.clone(), true),
            (administrator, "ssm:GetParameter", keys, false),
            (administrator, "iam:CreateRole", forged, true),
            (administrator, "iam:PutRolePolicy", issuer.clone(), true),
            (deployer, "iam:PutRolePolicy", issuer, false),
            (administrator, "apigateway:PUT", route.clone(), true),
            (deployer, "apigateway:PUT", route, false),
            (administrator, "lambda:UpdateFunctionCode", function("jwt_issuer")?, true),
            (deployer, "lambda:UpdateFunctionCode", function("jwt_issuer")?, false),
        ] {
            let role = format!("arn:aws:iam::{ACCOUNT}:role/{who}");
            let context = Context::default()
                .with("aws:PrincipalArn", &role)
                .with("aws:PrincipalAccount", ACCOUNT)
                .with("aws:PrincipalIsAWSService", "false");
            let (caller, action) = (Caller::role(&role, "session"), action.to_owned());
            let request = Request { caller, action, resource: Some(on), context };
            let verdicts = policies.iter().map(|policy| policy.of_identity(&request)).collect::<Result<Vec<_>, _>>();
            let verdict = verdicts.map_err(|error| error.to_string())?.into_iter().max().unwrap_or(Verdict::Silent);
            let name = format!(
                "the organisation's policies {} {who}: {}",
                if denied { "stop" } else { "do not stop" },
                request.action
            );
            self.checks.holds(&name, matches!(verdict, Verdict::Denied(_)) == denied, format!("{verdict:?}"));
        }
        Ok(())
    }
}

/// The function's name, with the alias that is invoked if there is one.
fn invoked_as(function: &str, state: &State) -> String {
    let aliases = state.of_type("aws_lambda_alias");
    let alias = aliases.iter().find(|alias| alias["function_name"] == function);
    let alias = alias.and_then(|alias| alias["name"].as_str());
    alias.map_or_else(|| function.to_owned(), |alias| format!("{function}:{alias}"))
}
