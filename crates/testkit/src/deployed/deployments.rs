//! What a REST API was when it was deployed: a stage serves that, and not what the API has become since.
//!
//! moto knows no such thing, so each deployment is copied as it is made. A change that is not deployed again then changes
//! nothing here either, the resource policy's included (API Gateway Developer Guide, "Deploy REST APIs").

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::holdings::Read;
use super::ledger::Ledger;
use super::wire::Wire;
use crate::aws::ACCOUNT;
use crate::iam::Document;

/// All that were made, by their ids.
#[derive(Default)]
pub(crate) struct Deployments(Mutex<BTreeMap<String, Arc<Deployment>>>);

/// One of them.
#[derive(Debug)]
pub(crate) struct Deployment {
    routes: BTreeMap<String, Route>,
    pub(crate) policy: Option<Document>,
    responses: BTreeMap<String, GatewayResponse>,
}

/// A path and what it answers.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: String,
    pub(crate) methods: BTreeMap<String, Method>,
}

/// A method of a path.
#[derive(Debug)]
pub(crate) struct Method {
    /// `AWS_IAM`, or else nobody is asked who they are.
    pub(crate) needs_iam: bool,
    /// The function that answers, as the integration names it.
    pub(crate) function: String,
}

/// What the gateway says by itself in one case.
#[derive(Debug, Clone, Default)]
pub(crate) struct GatewayResponse {
    pub(crate) status: Option<u16>,
    pub(crate) template: Option<String>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// What serves an API: a stage, and perhaps a domain.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) api: String,
    pub(crate) stage: String,
    pub(crate) deployment: String,
    pub(crate) domain: Option<String>,
    pub(crate) has_default_endpoint: bool,
}

impl Deployments {
    /// Copies the API as it is now, for the deployments of it that have no copy yet: the one that was just made.
    pub(crate) async fn keep(&self, wire: &Wire, api: &str, ledger: &Ledger) {
        let kept = async {
            let all = fetch(wire, &format!("/restapis/{api}/deployments")).await?;
            let now = Arc::new(Deployment::read(wire, api).await?);
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for id in items(&all).filter_map(|one| one["id"].as_str()) {
                known.entry(id.to_owned()).or_insert_with(|| Arc::clone(&now));
            }
            Ok::<(), String>(())
        };
        if let Err(why) = kept.await {
            ledger.violate(format!("the deployment of the API {api}: {why}"));
        }
    }

    pub(crate) fn of(&self, id: &str) -> Option<Arc<Deployment>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }
}

impl Deployment {
    async fn read(wire: &Wire, api: &str) -> Read<Self> {
        let found = fetch(wire, &format!("/restapis/{api}")).await?;
        let policy = match found["policy"].as_str().filter(|policy| !policy.is_empty()) {
            // It stands there as in a JSON text.
            Some(policy) => {
                let policy: String =
                    serde_json::from_str(&format!("\"{policy}\"")).map_err(|error| error.to_string())?;
                let policy = Document::parse(&policy);
                Some(policy.map_err(|error| format!("the resource policy: {error}"))?)
            }
            None => None,
        };
        let mut routes = BTreeMap::new();
        let resources = fetch(wire, &format!("/restapis/{api}/resources?embed=methods&limit=500")).await?;
        for resource in items(&resources) {
            let path = resource["path"].as_str().unwrap_or_default().to_owned();
            if path.contains('{') {
                return Err(format!("the path {path} is a pattern, which is not known here"));
            }
            let id = resource["id"].as_str().unwrap_or_default().to_owned();
            let methods = resource["resourceMethods"].as_object().cloned().unwrap_or_default();
            let methods = methods.into_iter().map(|(name, method)| {
                let method = Method::read(&method).map_err(|why| format!("{name} {path}: {why}"))?;
                Ok((name, method))
            });
            routes.insert(path.clone(), Route { id, methods: methods.collect::<Read<_>>()? });
        }
        let found = fetch(wire, &format!("/restapis/{api}/gatewayresponses?limit=500")).await?;
        let responses = items(&found).map(|one| {
            let kind = one["responseType"].as_str().unwrap_or_default().to_owned();
            (kind, GatewayResponse::read(one))
        });
        Ok(Self { routes, policy, responses: responses.collect() })
    }

    pub(crate) fn route(&self, path: &str) -> Option<&Route> {
        self.routes.get(path)
    }

    /// What the gateway says in this case: its own setting, else that of its class, else the gateway's default.
    pub(crate) fn response(&self, kind: &str, status: u16) -> GatewayResponse {
        let class = if status < 500 { "DEFAULT_4XX" } else { "DEFAULT_5XX" };
        let found = self.responses.get(kind).or_else(|| self.responses.get(class));
        found.cloned().unwrap_or_default()
    }
}

impl Method {
    fn read(method: &Value) -> Read<Self> {
        let needs_iam = match method["authorizationType"].as_str() {
            Some("AWS_IAM") => true,
            Some("NONE") => false,
            other => return Err(format!("the authorization {other:?} is not known")),
        };
        if method["apiKeyRequired"] == true {
            return Err("an API key is not known".to_owned());
        }
        let integration = &method["methodIntegration"];
        let (kind, uri) = (integration["type"].as_str(), integration["uri"].as_str().unwrap_or_default());
        let function = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
        match (kind, function, integration["httpMethod"].as_str(), integration["credentials"].is_null()) {
            (Some("AWS_PROXY"), Some(function), Some("POST"), true) => {
                Ok(Self { needs_iam, function: function.to_owned() })
            }
            _ => Err(format!("the integration is not one of Lambda's, or not known: {integration}")),
        }
    }
}

impl GatewayResponse {
    fn read(value: &Value) -> Self {
        let status = match &value["statusCode"] {
            Value::String(text) => text.parse().ok(),
            number => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        let headers = value["responseParameters"].as_object().cloned().unwrap_or_default();
        let headers = headers.into_iter().filter_map(|(name, value)| {
            Some((name.strip_prefix("gatewayresponse.header.")?.to_owned(), value.as_str()?.to_owned()))
        });
        let template = value["responseTemplates"]["application/json"].as_str().map(str::to_owned);
        Self { status, template, headers: headers.collect() }
    }
}

impl Served {
    /// The one API and its one stage, if they are there yet.
    pub(crate) async fn find(wire: &Wire) -> Read<Option<Self>> {
        let apis = fetch(wire, "/restapis").await?;
        let Some(api) = one(&apis, "REST API")? else { return Ok(None) };
        let id = api["id"].as_str().unwrap_or_default().to_owned();
        let stages = fetch(wire, &format!("/restapis/{id}/stages")).await?;
        let Some(stage) = one(&stages, "stage")? else { return Ok(None) };
        let text = |name: &str| stage[name].as_str().unwrap_or_default().to_owned();
        let mut domain = None;
        for one in items(&fetch(wire, "/domainnames").await?) {
            let name = one["domainName"].as_str().unwrap_or_default();
            let mappings = fetch(wire, &format!("/domainnames/{name}/basepathmappings")).await?;
            for mapping in items(&mappings).filter(|mapping| mapping["restApiId"] == id.as_str()) {
                if mapping["basePath"] != "(none)" || mapping["stage"] != stage["stageName"] {
                    return Err(format!("this mapping of {name} is not known: {mapping}"));
                }
                domain = Some(name.to_owned());
            }
        }
        let has_default_endpoint = api["disableExecuteApiEndpoint"] != true;
        let (stage, deployment) = (text("stageName"), text("deploymentId"));
        Ok(Some(Self { api: id, stage, deployment, domain, has_default_endpoint }))
    }

    /// `arn:aws:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH`.
    pub(crate) fn arn(&self, region: &str, method: &str, path: &str) -> String {
        format!("arn:aws:execute-api:{region}:{ACCOUNT}:{}/{}/{method}{path}", self.api, self.stage)
    }
}

async fn fetch(wire: &Wire, path: &str) -> Read<Value> {
    let found = wire.get("apigateway", path).await.map_err(|refusal| refusal.to_string())?;
    Ok(if found.is_null() { json!({}) } else { found })
}

/// The only one of a list, or nothing. Which one of several is meant nobody could say.
fn one<'a>(list: &'a Value, what: &str) -> Read<Option<&'a Value>> {
    let mut all = items(list);
    match (all.next(), all.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(format!("there should be one {what}, and there are: {list}")),
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["item"].as_array().into_iter().flatten()
}
