//! An AWS account in which something is deployed and runs: moto, with what moto only writes down carried out.
//!
//! | who asks | where | what is different from moto |
//! |---|---|---|
//! | deployers and operators | [`Deployed::endpoint`] | a function that is invoked runs, from the package that was uploaded; a rotation takes its steps |
//! | a function | a door of its own | every call is judged by the policies of the function's role and of what it asks for |
//! | clients | [`Deployed::gateway`] | the deployed REST API, its resource policy and the permission to invoke the function |
//!
//! **Owns** when a function starts and ends, who may do what, and the book of it: [`Ledger`]. **Refuses** to be lenient:
//! what is not allowed is refused and written down, and so is what is not known. AWS beyond that is moto's, which does what
//! it is told; neither throttles nor quotas, trust between accounts or encryption are there.

mod ask;
mod code;
mod deployments;
mod door;
mod event;
mod front;
mod gateway;
mod holdings;
mod instances;
mod judge;
mod ledger;
mod rotation;
mod schedule;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use self::code::Packages;
pub use self::code::code_sha256;
use self::deployments::Deployments;
use self::gateway::Guests;
pub use self::gateway::{CALLER, Guest};
use self::holdings::Target;
use self::instances::Instances;
use self::judge::Invoker;
pub use self::ledger::Ledger;
use self::rotation::Rotations;
pub use self::rotation::{ROTATION_TOKEN, Rotation};
pub use self::schedule::Scheduled;
use self::wire::Wire;
pub(crate) use self::wire::unescape;
use crate::aws::{ACCESS_KEY_ID, ACCOUNT, Moto, SECRET_ACCESS_KEY, SESSION_TOKEN};
use crate::clock::Clock;
use crate::iam::{Decision, Document};
use crate::loopback::{Server, wait};

/// An account in one region. Dropping it ends its functions and forgets all.
pub struct Deployed {
    shared: Arc<Shared>,
    front: Server,
    gateway: Server,
    moto: Moto,
}

/// What all its parts share.
struct Shared {
    wire: Wire,
    clock: Option<Clock>,
    ledger: Ledger,
    packages: Packages,
    instances: Instances,
    rotations: Rotations,
    deployments: Deployments,
    guests: Guests,
    organization: Mutex<Vec<Document>>,
}

impl Deployed {
    /// An empty account. What it dates, and what its functions see, is the time of `clock`, else the machine's.
    ///
    /// # Panics
    /// If moto does not start, or nothing can listen.
    pub fn start(region: &str, clock: Option<&Clock>) -> Self {
        let moto = clock.map_or_else(Moto::start, Moto::start_with);
        let shared = Arc::new(Shared {
            wire: Wire::new(moto.address(), region),
            clock: clock.cloned(),
            ledger: Ledger::default(),
            packages: Packages::new(),
            instances: Instances::default(),
            rotations: Rotations::default(),
            deployments: Deployments::default(),
            guests: Guests::default(),
            organization: Mutex::default(),
        });
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let (for_front, for_gateway) = (Arc::downgrade(&shared), Arc::downgrade(&shared));
        let front = Server::start(anywhere, move |request| {
            let shared = for_front.clone();
            async move { shared.upgrade().ok_or(crate::loopback::Cut)?.front(request).await }
        });
        let gateway = Server::start(anywhere, move |request| {
            let shared = for_gateway.clone();
            async move { shared.upgrade().ok_or(crate::loopback::Cut)?.gateway(request).await }
        });
        let front = front.unwrap_or_else(|error| panic!("the front of AWS cannot listen: {error}"));
        let gateway = gateway.unwrap_or_else(|error| panic!("the gateway cannot listen: {error}"));
        Self { shared, front, gateway, moto }
    }

    /// Where deployers and operators find AWS: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.front.address())
    }

    /// Where clients find the API: `http://127.0.0.1:PORT`, which is the root of its domain.
    pub fn gateway(&self) -> String {
        format!("http://{}", self.gateway.address())
    }

    /// What a deployer or operator has to have in the environment.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_SESSION_TOKEN", SESSION_TOKEN.to_owned()),
            ("AWS_REGION", self.shared.wire.region().to_owned()),
            ("AWS_DEFAULT_REGION", self.shared.wire.region().to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// Tells the gateway who the caller is that is called `name` in the header [`CALLER`].
    pub fn admit(&self, name: &str, guest: Guest) {
        self.shared.guests.admit(name, guest);
    }

    /// The service control policies that the account is under from now on, beside the one that allows everything.
    pub fn put_under(&self, organization: Vec<Document>) {
        *self.shared.organization.lock().unwrap_or_else(PoisonError::into_inner) = organization;
    }

    /// Whether a service may invoke a function for this source, with nothing done.
    ///
    /// # Errors
    /// What cannot be read, or is not known.
    pub fn may_invoke(&self, service: &str, source_arn: &str, function: &str) -> Result<Decision, String> {
        // API Gateway is not documented to say it.
        let source_account = (service != "apigateway.amazonaws.com").then_some(ACCOUNT);
        let invoker = Invoker { service: service.to_owned(), source_arn: source_arn.to_owned(), source_account };
        wait(self.shared.decide_invocation(&invoker, &Target::parse(function)))
    }

    /// Whether a role of this account may do this with a secret if its own policies allow it everything.
    ///
    /// # Errors
    /// What cannot be read, or is not known.
    pub fn may_with_secret(&self, role: &str, action: &str, secret: &str) -> Result<Decision, String> {
        wait(self.shared.decide_with_secret(role, action, secret))
    }

    /// What was judged and used, and what should not have happened.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// All rotations so far, as soon as none is under way, or after `patience`.
    pub fn rotations(&self, patience: Duration) -> Vec<Rotation> {
        self.shared.rotations.settle(patience)
    }

    /// Ends the instances of a function. Lambda may do so at any time; the next event starts a new one.
    pub fn end_instances(&self, function: &str) {
        self.shared.instances.end(Some(function));
    }

    /// How many instances were started.
    pub fn instances_started(&self) -> usize {
        self.shared.instances.started()
    }

    /// What the functions wrote so far: name and lines, for each instance.
    pub fn logs(&self) -> Vec<(String, String)> {
        self.shared.instances.logs()
    }

    /// An operation of AWS JSON 1.1, asked behind the front: `AmazonSSM.GetParameter`.
    ///
    /// # Errors
    /// What is answered instead.
    pub fn api(&self, target: &str, input: &Value) -> Result<Value, String> {
        wait(self.shared.wire.target(target, input)).map_err(|refusal| refusal.to_string())
    }

    /// What is at a path of a service that speaks REST, asked behind the front.
    ///
    /// # Errors
    /// What is answered instead.
    pub fn get(&self, service: &str, path: &str) -> Result<Value, String> {
        wait(self.shared.wire.get(service, path)).map_err(|refusal| refusal.to_string())
    }

    /// An operation of IAM, asked behind the front.
    ///
    /// # Errors
    /// What is answered instead.
    pub fn iam(&self, action: &str, parameters: &[(&str, &str)]) -> Result<Value, String> {
        wait(self.shared.wire.iam(action, parameters)).map_err(|refusal| refusal.to_string())
    }

    /// moto itself, for what a test puts there.
    pub fn moto(&self) -> &Moto {
        &self.moto
    }
}

impl Drop for Deployed {
    fn drop(&mut self) {
        // Here, and not where the last share of it is dropped: that may be a server's own thread.
        self.shared.instances.end(None);
    }
}
