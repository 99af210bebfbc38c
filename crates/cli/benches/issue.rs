//! What a token costs beside its signature: `cargo bench --bench issue`.
//!
//! A token here is everything from the body of a request to the body of its answer: the identity as a gateway tells it,
//! the decision, claims, signing, the token's id and the audit line. The bare call is [`LocalKey::sign_now`] by the same
//! key on the same bytes. All times are CPU time of the one thread.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign::clock;
use countersign_core::caller::Identity;
use countersign_core::issue::{Ask, Issuer, Prepared, sign};
use countersign_core::jwk::Algorithm;
use countersign_core::jws::{Signer as _, SigningInput};
use countersign_core::policy::Policy;
use countersign_core::ring::{Ring, RingKey, State};
use countersign_core::url::IssuerUrl;
use countersign_keys::LocalKey;
use futures_util::FutureExt as _;
use jsonwebtoken::{EncodingKey, Header};
use testkit::measure::workload::{self, ACCOUNT, ARN, CONTENT_TYPE, ORGANISATION, POLICY, PRINCIPAL_ID, Shape};
use testkit::measure::{self, Samples, interleaved, own_cpu_time, verdict};

/// RS256 with 2048 bits: at most this many times the bare call.
const RSA_BUDGET: f64 = 1.15;
/// ES256: at most so many microseconds more than the bare call.
const ES256_BUDGET: f64 = 40.0;

fn main() -> anyhow::Result<()> {
    if !measure::is_wanted() {
        return Ok(());
    }
    println!("{}", measure::conditions("cargo bench --bench issue"));
    let rsa = Key::rsa(KeySize::Rsa2048)?;
    tokens(&rsa)?;
    policies(&rsa)
}

/// A token of each kind of key, beside the bare signature and beside what `jsonwebtoken` takes.
fn tokens(rsa: &Key) -> anyhow::Result<()> {
    println!(
        "| key | rules | bare signature, µs | token / bare | token - bare, µs | `jsonwebtoken::encode` / bare | budget |"
    );
    println!("|---|---|---|---|---|---|---|");
    let usual = || (POLICY.to_owned(), ARN);
    let large = || (Shape::Globs.policy(500), Shape::CALLER);
    let keys = [Key::rsa(KeySize::Rsa3072)?, Key::rsa(KeySize::Rsa4096)?];
    let curves = [Key::ec(Algorithm::ES256)?, Key::ec(Algorithm::ES384)?];
    for (name, key, audience, (policy, arn)) in [
        ("RS256, 2048 bits", rsa, "snowflake", usual()),
        ("RS256, 2048 bits", rsa, Shape::AUDIENCE, large()),
        ("RS256, 3072 bits", &keys[0], "snowflake", usual()),
        ("RS256, 4096 bits", &keys[1], "snowflake", usual()),
        ("ES256", &curves[0], "orders", usual()),
        ("ES384", &curves[1], "ledger", usual()),
    ] {
        let scene = Scene::new(key, &policy, arn, audience)?;
        let prepared = scene.prepare()?;
        let input = SigningInput::new(prepared.claims(), key.local.key())?;
        let mut header = Header::new(key.foreign_alg);
        header.kid = Some(prepared.kid().to_string());
        let [bare, ours, theirs] =
            interleaved([&mut || bare_signature(key, &input), &mut || scene.token(), &mut || {
                black_box(jsonwebtoken::encode(&header, prepared.claims(), &key.foreign)?);
                Ok(())
            }])?;
        let (ratio, more) = (ours.per(&bare), ours.with(&bare, |ours, bare| ours - bare).times(1e6));
        let budget = match (name, scene.policy.rule_count()) {
            ("RS256, 2048 bits", 20) => verdict(&format!("at most {RSA_BUDGET}"), ratio.median() <= RSA_BUDGET),
            ("ES256", _) => verdict(&format!("at most +{ES256_BUDGET} µs"), more.median() <= ES256_BUDGET),
            _ => String::new(),
        };
        let (rules, bare_us, theirs) = (scene.policy.rule_count(), bare.median() * 1e6, theirs.per(&bare));
        println!("| {name} | {rules} | {bare_us:.1} | {ratio:.3} | {more:.1} | {theirs:.2} | {budget} |");
    }
    println!();
    Ok(())
}

/// The decision alone, and the loading of a policy, by its size and shape. The last rule is the caller's.
fn policies(rsa: &Key) -> anyhow::Result<()> {
    println!("| policy | rules | KiB | `prepare`, µs | `prepare` / bare RS256, 2048 bits | `Policy::from_json`, ms |");
    println!("|---|---|---|---|---|---|");
    for shape in [Shape::Literal, Shape::Globs, Shape::Accounts, Shape::OwnSubjects] {
        for rules in [1, 20, 500] {
            let text = shape.policy(rules);
            let scene = Scene::new(rsa, &text, Shape::CALLER, Shape::AUDIENCE)?;
            let input = SigningInput::new(scene.prepare()?.claims(), rsa.local.key())?;
            let [prepare, bare] = interleaved([
                &mut || {
                    black_box(scene.prepare()?);
                    Ok(())
                },
                &mut || bare_signature(rsa, &input),
            ])?;
            let (prepare_us, ratio, load_ms) = (prepare.times(1e6), prepare.per(&bare), load(&text)?);
            let (name, size) = (shape.name(), text.len().div_ceil(1024));
            println!("| {name} | {rules} | {size} | {prepare_us:.1} | {ratio:.3} | {load_ms:.2} |");
        }
    }
    Ok(())
}

/// Milliseconds of CPU to load this policy, at most 21 times and for about a second.
fn load(text: &str) -> anyhow::Result<Samples> {
    let began = Instant::now();
    let mut samples = Samples(Vec::new());
    while samples.0.len() < 21 && (samples.0.len() < 3 || began.elapsed().as_secs() < 1) {
        let before = own_cpu_time();
        black_box(parsed(text)?);
        samples.0.push((own_cpu_time() - before) * 1e3);
    }
    Ok(samples)
}

fn parsed(text: &str) -> anyhow::Result<Policy> {
    Policy::from_json(text.as_bytes()).map_err(|problems| {
        let first = problems.first().map(ToString::to_string).unwrap_or_default();
        anyhow!("{} problems in the policy, first: {first}", problems.len())
    })
}

fn bare_signature(key: &Key, input: &SigningInput) -> anyhow::Result<()> {
    black_box(key.bare.sign_now(black_box(input.as_bytes()))?);
    Ok(())
}

/// A key as we hold it and as `jsonwebtoken` does. Its `encode` parses the key each time; the text is parsed once.
///
/// Ours is there twice: of two who sign in turns with one RSA key, always the same would come upon its used-up blinding.
struct Key {
    local: LocalKey,
    bare: LocalKey,
    foreign: EncodingKey,
    foreign_alg: jsonwebtoken::Algorithm,
}

impl Key {
    fn rsa(size: KeySize) -> anyhow::Result<Self> {
        let der = KeyPair::generate(size)?.as_der()?;
        let text = STANDARD.encode(der.as_ref());
        let parse = || LocalKey::from_pem(&pem(&text), Algorithm::RS256, None);
        // `jsonwebtoken` wants PKCS#1, which begins after 26 bytes of PKCS#8 if the modulus has 2048 bits or more.
        let pkcs1 = der.as_ref().get(26..).context("not an RSA key in PKCS#8")?;
        let foreign = EncodingKey::from_rsa_der(pkcs1);
        Ok(Self { local: parse()?, bare: parse()?, foreign, foreign_alg: jsonwebtoken::Algorithm::RS256 })
    }

    fn ec(alg: Algorithm) -> anyhow::Result<Self> {
        let (local, pem) = LocalKey::generate(alg)?;
        let text: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let foreign = EncodingKey::from_ec_der(&STANDARD.decode(text)?);
        let bare = LocalKey::from_pem(&pem, alg, None)?;
        Ok(Self { local, bare, foreign, foreign_alg: alg.as_str().parse()? })
    }
}

fn pem(base64: &str) -> String {
    format!("-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n")
}

/// Everything that a request meets, and the request.
struct Scene<'k> {
    issuer: Issuer,
    policy: Policy,
    ring: Ring,
    key: &'k LocalKey,
    arn: &'static str,
    body: String,
}

impl<'k> Scene<'k> {
    fn new(key: &'k Key, policy: &str, arn: &'static str, audience: &str) -> anyhow::Result<Self> {
        let now = clock::now();
        let state = State::Signing { announced_at: now, signing_since: now };
        Ok(Self {
            issuer: Issuer::new(IssuerUrl::new("https://id.acme.com")?, Some(vec![ORGANISATION.to_owned()])),
            policy: parsed(policy)?,
            ring: Ring::new(vec![RingKey { public: key.local.key().clone(), state }], Vec::new())?,
            key: &key.local,
            arn,
            body: workload::body(audience),
        })
    }

    fn prepare(&self) -> anyhow::Result<Prepared> {
        let identity =
            Identity::asserted_by_gateway(black_box(self.arn), ACCOUNT, PRINCIPAL_ID, Some(ORGANISATION), false);
        let ask = Ask {
            request_id: "8f0f7a3e-5f52-4a39-8b0e-0d6a5b1f4a11",
            identity: &identity,
            trace_id: None,
            source_ip: Some("203.0.113.7"),
            has_query: false,
            content_type: Some(CONTENT_TYPE),
            body: black_box(self.body.as_bytes()),
        };
        let token_id = uuid::Uuid::new_v4().to_string();
        let prepared = self.issuer.prepare(&ask, Some(&self.policy), Some(&self.ring), clock::now(), &token_id);
        prepared.map_err(|refusal| anyhow!("refused: {}", refusal.reason))
    }

    /// A token, from body to body, and its audit line.
    fn token(&self) -> anyhow::Result<()> {
        let issued = sign(self.prepare()?, self.key).now_or_never().context("a local key does not wait")?;
        let issued = issued.map_err(|refusal| anyhow!("not signed: {}", refusal.reason))?;
        black_box((issued.response.body, issued.audit.to_line()));
        Ok(())
    }
}
